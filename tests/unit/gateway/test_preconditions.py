"""If-Match: a stale decision changes nothing and is told what the post has become."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.web.preconditions import Expected, Stale, expected
from services.gateway.web.problems import BadRequest
from shared.domain.events import PipelinePaused, StageApproved, StageRequested
from shared.domain.post import Post
from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from tests.unit.gateway.conftest import House

REVIEWED = {"stage_settings": {"research": "review"}}

type Prepared = tuple[str, Any, str]
"""How a post has to stand for a route, the route, and its body."""

ROUTES: dict[str, tuple[str, dict[str, Any] | None]] = {
    "run": ("fresh", None),
    "run?stage=research": ("fresh", None),
    "run-all": ("fresh", None),
    "rerun/research": ("finished", None),
    "rerun/research?cascade=true": ("finished", None),
    "restart": ("finished", None),
    "approve": ("review", {"note": "good"}),
    "reject": ("review", {"note": "again"}),
    "pause": ("running", None),
    "resume": ("paused", None),
    "cancel": ("running", {"reason": "enough"}),
}
each_route = pytest.mark.parametrize("action", ROUTES)


async def prepared(house: House, state: str) -> UUID:
    gates = dict.fromkeys(ORDER, "review")
    if state == "fresh":
        return await house.posted(stage_settings=gates)
    if state == "review":
        post = await house.posted(**REVIEWED)
        await house.complete(post, Stage.RESEARCH)
        return post
    post = await house.posted()
    if state == "finished":
        await house.finish(post)
    if state == "paused":
        await house.client.post(f"/api/posts/{post}/pause")
    return post


async def version(house: House, post: UUID) -> int:
    return (await house.events.read(house.ref(post))).post.n


async def asked(house: House, post: UUID, action: str, **headers: str) -> httpx.Response:
    _, body = ROUTES[action]
    return await house.client.post(f"/api/posts/{post}/{action}", json=body, headers=headers)


def stored(house: House) -> int:
    return len(house.events.messages)


@each_route
async def test_the_version_it_has_is_the_one_a_change_is_made_on(house: House, action: str) -> None:
    post = await prepared(house, ROUTES[action][0])
    before = await version(house, post)
    answer = await asked(house, post, action, **{"If-Match": f'"{before}"'})
    assert answer.status_code in (200, 202)
    assert answer.headers["etag"] == f'"{await version(house, post)}"'
    assert await version(house, post) > before


@each_route
async def test_a_stale_decision_changes_nothing_and_learns_the_state(
    house: House, action: str
) -> None:
    post = await prepared(house, ROUTES[action][0])
    before, now = stored(house), await version(house, post)
    answer = await asked(house, post, action, **{"If-Match": f'"{now - 1}"'})
    told = answer.json()
    assert (answer.status_code, told["code"], told["version"]) == (409, "stale", now)
    assert answer.headers["etag"] == f'"{now}"'
    assert "current_stage" in told
    assert stored(house) == before


@each_route
async def test_two_writers_on_one_version_make_one_change(house: House, action: str) -> None:
    post = await prepared(house, ROUTES[action][0])
    named = {"If-Match": f'"{await version(house, post)}"'}
    answers = await asyncio.gather(*(asked(house, post, action, **named) for _ in range(2)))
    assert sorted(answer.status_code // 100 for answer in answers) == [2, 4]
    assert {answer.json().get("code") for answer in answers} == {None, "stale"}


@each_route
async def test_who_writes_between_the_look_and_the_append_makes_it_stale(
    house: House, action: str
) -> None:
    post = await prepared(house, ROUTES[action][0])
    now = await version(house, post)

    async def faster() -> None:
        await asked(house, post, action)

    house.events.before["append"] = faster
    answer = await asked(house, post, action, **{"If-Match": f'"{now}"'})
    assert (answer.status_code, answer.json()["code"]) == (409, "stale")


@each_route
async def test_a_repeat_is_answered_as_before_though_the_version_moved(
    house: House, action: str
) -> None:
    post = await prepared(house, ROUTES[action][0])
    named = {"If-Match": f'"{await version(house, post)}"', "Idempotency-Key": "k"}
    first = await asked(house, post, action, **named)
    before = stored(house)
    again = await asked(house, post, action, **named)
    assert (first.status_code, again.status_code) in [(200, 200), (202, 202)]
    assert stored(house) == before


@each_route
async def test_two_writers_without_a_version_never_do_a_thing_twice(
    house: House, action: str
) -> None:
    post = await prepared(house, ROUTES[action][0])
    before = stored(house)
    answers = await asyncio.gather(*(asked(house, post, action) for _ in range(2)))
    assert {answer.status_code // 100 for answer in answers} <= {2, 4}
    kinds = [type(each.fact) for each in house.events.messages[before:]]
    for kind in (StageApproved, PipelinePaused):
        assert kinds.count(kind) <= 1
    if action != "restart":
        assert kinds.count(StageRequested) <= 1


async def test_two_restarts_at_once_leave_one_run_open(house: House) -> None:
    post = await prepared(house, "finished")
    await asyncio.gather(*(asked(house, post, "restart") for _ in range(2)))
    history = await house.events.read(house.ref(post))
    assert history.post.active is not None
    assert history.post.active.run == history.last


async def test_a_version_answers_the_review_that_was_open_in_it(house: House) -> None:
    post = await house.posted(stage_settings={"research": "review", "outline": "review"})
    await house.complete(post, Stage.RESEARCH)
    seen = {"If-Match": f'"{await version(house, post)}"'}
    assert (await asked(house, post, "approve", **seen)).status_code == 200
    await house.complete(post, Stage.OUTLINE)
    second = await asked(house, post, "approve", **seen)
    assert (second.status_code, second.json()["review"]["stage"]) == (409, "outline")


@pytest.mark.parametrize("header", ["*", ' "1" ,"{}"', '"x", W/"9","{}"'])
async def test_any_of_the_versions_named_will_do(house: House, header: str) -> None:
    post = await house.posted()
    named = {"If-Match": header.format(await version(house, post))}
    assert (await asked(house, post, "pause", **named)).status_code == 200


async def test_a_weak_tag_never_matches(house: House) -> None:
    post = await house.posted()
    named = {"If-Match": f'W/"{await version(house, post)}"'}
    assert (await asked(house, post, "pause", **named)).json()["code"] == "stale"


@pytest.mark.parametrize(
    "header", ["", " ", "12", '"12', '12"', '"1" "2"', '"1",', "*, *", 'w/"1"', '"1"' * 500]
)
async def test_what_is_no_entity_tag_is_not_understood(house: House, header: str) -> None:
    post = await house.posted()
    answer = await asked(house, post, "pause", **{"If-Match": header})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")


async def test_a_post_that_is_not_there_is_missing_whatever_version_is_named(house: House) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    answer = await house.client.post(f"/api/posts/{nobody}/pause", headers={"If-Match": '"1"'})
    assert answer.status_code == 404


@given(st.text(max_size=40))
def test_any_header_is_understood_or_refused(header: str) -> None:
    try:
        wanted = expected(header)
    except BadRequest:
        return
    assert wanted.versions is None or all(each >= 0 for each in wanted.versions)


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_only_the_version_named_is_accepted(named: int, found: int) -> None:
    post = Post(n=found)
    if named == found:
        expected(f'"{named}"').require(post)
        return
    with pytest.raises(Stale):
        Expected(frozenset({named})).require(post)
