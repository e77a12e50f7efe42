"""Leaving the dead letter: decided on the log alone, once, with the name of who decided."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from shared.domain.events import (
    ContentEdited,
    FlowFact,
    PostConfigured,
    StageDiscarded,
    StageRequested,
)
from shared.domain.values import Stage

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from shared.domain.events import Fact
    from tests.unit.gateway.conftest import House

NOBODY = "33333333-3333-4333-8333-333333333333"
ACTIONS = ("retry", "edit-and-retry", "discard")
each_action = pytest.mark.parametrize("action", ACTIONS)
SENT: dict[str, dict[str, Any]] = {
    "retry": {},
    "edit-and-retry": {"word_count": 500},
    "discard": {"note": "no use"},
}


def url(post: UUID | str, action: str) -> str:
    return f"/api/queue/dead-letter/{post}/{action}"


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4_000
    return str(answer.json()["code"])


async def parked(house: House) -> UUID:
    """A post that failed in its second stage."""
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    await house.fail(post, Stage.OUTLINE)
    return post


async def facts(house: House, post: UUID, kind: type[Fact]) -> list[Any]:
    history = await house.events.read(house.ref(post))
    return [fact for _, fact in history.flow if isinstance(fact, kind)]


async def send(house: House, post: UUID | str, action: str, **more: str) -> httpx.Response:
    headers = {**house.key("ann"), **more}
    return await house.client.post(url(post, action), json=SENT[action], headers=headers)


# --- what is done -----------------------------------------------------------------------------


async def test_a_retry_goes_on_where_it_failed_in_the_name_of_who_asked(house: House) -> None:
    post = await parked(house)
    answer = await send(house, post, "retry")
    assert (answer.status_code, answer.json()["stage"]) == (202, "outline")
    assert answer.json()["status"] == "retrying"
    history = await house.events.read(house.ref(post))
    assert int(answer.headers["Galley-Sequence"]) == history.last
    assert answer.headers["ETag"] == f'"{history.post.n}"'
    requests = await facts(house, post, StageRequested)
    assert requests[-1].resumes is not None
    told = [fact.command for _, fact in history.flow if isinstance(fact, FlowFact)]
    assert [each.actor for each in told if each is not None][-1] == "ann"


async def test_a_retry_needs_no_body(house: House) -> None:
    assert (await house.client.post(url(await parked(house), "retry"))).status_code == 202


async def test_ten_retries_at_once_start_one_run(house: House) -> None:
    post = await parked(house)
    before = len(await facts(house, post, StageRequested))
    answers = await asyncio.gather(*(send(house, post, "retry") for _ in range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert len(await facts(house, post, StageRequested)) == before + 1


async def test_a_retry_and_a_discard_at_once_leave_one_decision(house: House) -> None:
    post = await parked(house)
    answers = await asyncio.gather(*(send(house, post, each) for each in ("retry", "discard")))
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [202, 409])


async def test_a_change_is_stored_with_the_retry_or_not_at_all(house: House) -> None:
    post = await parked(house)
    body = {"word_count": 500, "research_content": "Better facts."}
    answer = await house.client.post(url(post, "edit-and-retry"), json=body)
    assert answer.status_code == 202, answer.text
    history = await house.events.read(house.ref(post))
    kinds = [type(fact).__name__ for _, fact in history.flow[-4:]]
    assert kinds == ["PostConfigured", "ContentEdited", "PipelineStarted", "StageRequested"]
    assert history.post.config is not None
    assert history.post.config.word_count == 500


@pytest.mark.parametrize("field", ["outline_content", "draft_content", "ready_content"])
async def test_a_text_the_failed_stage_never_saw_changes_nothing(house: House, field: str) -> None:
    post = await parked(house)
    body = {"word_count": 500, field: "A text."}
    answer = await house.client.post(url(post, "edit-and-retry"), json=body)
    assert problem(answer, 409) == "rejected"
    assert not await facts(house, post, PostConfigured)
    assert not await facts(house, post, ContentEdited)


async def test_what_is_discarded_is_cancelled_and_says_why(house: House) -> None:
    post = await parked(house)
    answer = await send(house, post, "discard")
    assert answer.json() == {"status": "discarded", "post_id": str(post)}
    [fact] = await facts(house, post, StageDiscarded)
    assert (fact.actor, fact.note) == ("ann", "no use")
    found = (await house.client.get(f"/api/posts/{post}")).json()
    assert (found["current_stage"], found["failures"]) == ("cancelled", [])
    assert "given up by ann: no use" in found["execution_logs"][-1]["message"]


async def test_a_discarded_post_can_be_run_again(house: House) -> None:
    post = await parked(house)
    await send(house, post, "discard")
    assert (await house.client.post(f"/api/posts/{post}/run")).json()["stage"] == "outline"


# --- once -------------------------------------------------------------------------------------


@each_action
async def test_the_same_key_is_answered_the_same_and_done_once(house: House, action: str) -> None:
    post = await parked(house)
    headers = {"Idempotency-Key": "k"}
    first = await send(house, post, action, **headers)
    stored = len(house.events.messages)
    again = await send(house, post, action, **headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert len(house.events.messages) == stored
    another = "retry" if action == "discard" else "discard"
    other = await send(house, post, another, **headers)
    assert problem(other, 422) == "idempotency-key-reused"


@each_action
async def test_a_stale_decision_is_told_what_the_post_has_become(house: House, action: str) -> None:
    post = await parked(house)
    stored = len(house.events.messages)
    answer = await send(house, post, action, **{"If-Match": '"1"'})
    assert problem(answer, 409) == "stale"
    assert answer.json()["current_stage"] == "failed"
    assert len(house.events.messages) == stored
    version = answer.headers["ETag"]
    assert (await send(house, post, action, **{"If-Match": version})).is_success


# --- what is refused --------------------------------------------------------------------------


@each_action
async def test_what_is_not_in_the_dead_letter_does_not_leave_it(house: House, action: str) -> None:
    post = await house.posted()
    await house.finish(post)
    answer = await send(house, post, action)
    assert problem(answer, 409) == "rejected"
    assert "dead letter" in answer.json()["detail"]


@each_action
async def test_an_unknown_or_deleted_post_is_not_found(house: House, action: str) -> None:
    assert problem(await send(house, NOBODY, action), 404) == "no-such-post"
    post = await parked(house)
    assert (await house.client.delete(f"/api/posts/{post}")).status_code == 204
    assert problem(await send(house, post, action), 404) == "no-such-post"


@each_action
async def test_what_is_no_id_is_refused(house: House, action: str) -> None:
    for name in ("x", "1", NOBODY + "0", "*", "%00", "%F0%9F"):
        assert problem(await send(house, name, action), 422) == "invalid"


NO_BODIES: list[object] = [
    {"actor": "ann"},
    {"unknown": 1},
    ["ann"],
    "ann",
    7,
]


@each_action
async def test_a_body_that_is_none_is_refused(house: House, action: str) -> None:
    post = await parked(house)
    stored = len(house.events.messages)
    for body in NO_BODIES:
        answer = await house.client.post(url(post, action), json=body)
        assert problem(answer, 422) == "invalid", body
    assert len(house.events.messages) == stored


async def test_a_note_that_is_none_is_refused(house: House) -> None:
    post = await parked(house)
    notes: list[object] = ["n" * 5_001, "nul\x00", "bidi \u202e", 7, {}]
    for note in notes:
        answer = await house.client.post(url(post, "discard"), json={"note": note})
        assert problem(answer, 422) == "invalid", note


NO_CHANGES: list[dict[str, Any]] = [
    {"word_count": -1},
    {"word_count": 10**9},
    {"research_content": ""},
    {"research_content": "nul\x00"},
    {"image_manifest": "{}"},
    {"slug": "another"},
    {"stage_settings": {"research": "banana"}},
    {"topic": " "},
]


async def test_a_change_that_is_none_is_refused(house: House) -> None:
    post = await parked(house)
    for change in NO_CHANGES:
        answer = await house.client.post(url(post, "edit-and-retry"), json=change)
        assert problem(answer, 422) == "invalid", change


@each_action
async def test_malformed_json_is_refused(house: House, action: str) -> None:
    post = await parked(house)
    headers = {"content-type": "application/json"}
    answer = await house.client.post(url(post, action), content=b'{"note": ', headers=headers)
    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_discarding_everything_takes_no_nonsense(house: House) -> None:
    for params in ({"actor": "ann"}, {"note": "x\x00"}, {"what": "all"}):
        answer = await house.client.delete("/api/queue/dead-letter", params=params)
        assert problem(answer, 422) == "invalid", params
