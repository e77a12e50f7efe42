"""Every control route is one command: decided once, repeated harmlessly, refused in words."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shared.domain.events import StageApproved, StageRejected, StageRequested
from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

REVIEWED = {"stage_settings": {"research": "review"}}


async def told(
    house: House, post: UUID, action: str, by: str = "local", **body: Any
) -> httpx.Response:
    path, shown = f"/api/posts/{post}/{action}", house.key(by)
    return await house.client.post(path, json=body or None, headers=shown)


async def in_review(house: House, **body: Any) -> UUID:
    post = await house.posted(**(body or REVIEWED))
    await house.complete(post, Stage.RESEARCH)
    return post


def facts(house: House, kind: type) -> int:
    return sum(isinstance(each.fact, kind) for each in house.events.messages)


async def test_approving_goes_on_with_the_next_stage(house: House) -> None:
    post = await in_review(house)
    answer = await told(house, post, "approve")
    assert answer.status_code == 200
    assert answer.json()["current_stage"] == "outline"
    assert answer.headers["galley-sequence"] == str(answer.json()["seq"])


async def test_approved_content_takes_the_place_of_the_output(house: House) -> None:
    post = await in_review(house)
    answer = await told(house, post, "approve", content="# Mine\n\tindented", by="ann")
    assert answer.json()["research_content"] == "# Mine\n\tindented"
    assert "approved with changes by ann" in answer.json()["execution_logs"][-1]["message"]


async def test_an_approve_only_gate_takes_no_edit(house: House) -> None:
    post = await in_review(house, stage_settings={"research": "approve_only"})
    answer = await told(house, post, "approve", content="mine")
    assert (answer.status_code, answer.json()["code"]) == (409, "gate-forbids-edit")


async def test_rejecting_runs_the_stage_again_with_the_note(house: House) -> None:
    post = await in_review(house)
    answer = await told(house, post, "reject", note="more sources")
    assert answer.json()["current_stage"] == "research"
    last = house.events.messages[-1].fact
    assert isinstance(last, StageRequested)
    assert last.note == "more sources"


async def test_a_decision_about_another_review_is_refused_with_the_open_one(house: House) -> None:
    post = await in_review(house)
    answer = await told(house, post, "approve", review=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "stale-decision")
    assert answer.json()["review"]["stage"] == "research"


async def test_a_decision_is_good_for_its_own_review_of_its_own_post_and_once(
    house: House,
) -> None:
    gates = {"research": "review", "outline": "review"}
    one, other = [await in_review(house, stage_settings=gates) for _ in range(2)]
    first = (await house.client.get(f"/api/posts/{one}")).json()["review"]["seq"]
    assert (await told(house, other, "approve", review=first)).status_code == 409
    assert (await told(house, one, "approve", review=first)).status_code == 200
    await house.complete(one, Stage.OUTLINE)
    before = len(house.events.messages)
    for action, more in (("approve", {}), ("reject", {"note": "n"}), ("approve", {"content": "x"})):
        answer = await told(house, one, action, review=first, **more)
        assert answer.status_code == 409, action
    assert len(house.events.messages) == before


async def test_nothing_to_review_is_said_with_where_the_post_stands(house: House) -> None:
    post = await house.posted()
    for action, body in (("approve", {}), ("reject", {"note": "n"})):
        answer = await told(house, post, action, **body)
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing-to-review")
        assert answer.json()["current_stage"] == "research"


async def test_an_unnamed_approval_never_answers_a_review_opened_meanwhile(house: House) -> None:
    post = await in_review(house, stage_settings={"research": "review", "outline": "review"})

    async def faster() -> None:
        await told(house, post, "approve")
        await house.complete(post, Stage.OUTLINE)

    house.events.before["append"] = faster
    answer = await told(house, post, "approve")
    assert (answer.status_code, answer.json()["code"]) == (409, "stale-decision")
    assert facts(house, StageApproved) == 1


async def test_an_approval_that_another_has_overtaken_is_refused_and_starts_nothing(
    house: House,
) -> None:
    post = await in_review(house)

    async def faster() -> None:
        assert (await told(house, post, "approve")).status_code == 200

    house.events.before["append"] = faster
    assert (await told(house, post, "approve")).status_code == 409
    assert facts(house, StageApproved) == 1
    assert facts(house, StageRequested) == 2


async def test_fifty_opposing_decisions_at_once_leave_exactly_one(house: House) -> None:
    post = await in_review(house)
    answers = await asyncio.gather(
        *(
            told(house, post, "approve") if number % 2 else told(house, post, "reject", note="n")
            for number in range(50)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    assert facts(house, StageApproved) + facts(house, StageRejected) == 1
    assert facts(house, StageRequested) == 2


async def test_a_decision_under_a_key_is_made_once(house: House) -> None:
    post = await in_review(house, stage_settings={"research": "review", "outline": "review"})
    for _ in range(3):
        answer = await house.client.post(
            f"/api/posts/{post}/approve", headers={"Idempotency-Key": "once"}
        )
        assert answer.status_code == 200
    assert facts(house, StageApproved) == 1


async def test_a_key_used_on_another_route_is_refused(house: House) -> None:
    post, headers = await house.posted(), {"Idempotency-Key": "once"}
    await house.client.post(f"/api/posts/{post}/pause", headers=headers)
    answer = await house.client.post(f"/api/posts/{post}/resume", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


async def test_five_run_alls_at_once_start_one_run(house: House) -> None:
    post = await house.posted(stage_settings=dict.fromkeys(ORDER, "review"))
    answers = await asyncio.gather(*(told(house, post, "run-all") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert facts(house, StageRequested) == 1
    state = (await house.client.get(f"/api/posts/{post}")).json()
    assert set(state["stage_settings"].values()) == {"auto"}


async def test_running_a_stage_before_its_input_names_what_is_missing(house: House) -> None:
    post = await house.posted(stage_settings=dict.fromkeys(ORDER, "review"))
    answer = await told(house, post, "run?stage=write")
    assert (answer.status_code, answer.json()["code"]) == (409, "missing-input")
    assert "research, outline" in answer.json()["detail"]


async def test_another_stage_does_not_start_beside_a_running_one(house: House) -> None:
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    answer = await told(house, post, "rerun/research")
    assert (answer.status_code, answer.json()["code"]) == (409, "stage-running")


async def test_a_rerun_stands_alone_unless_it_cascades(house: House) -> None:
    post = await house.posted()
    await house.finish(post)
    answer = await told(house, post, "rerun/edit")
    assert answer.status_code == 202
    assert answer.json() == {
        "status": "queued",
        "post_id": str(post),
        "stage": "edit",
        "mode": "rerun",
    }
    await house.complete(post, Stage.EDIT, output="new")
    state = (await house.client.get(f"/api/posts/{post}")).json()
    assert state["stale"] == ["images", "ready"]
    await told(house, post, "rerun/edit?cascade=true")
    await house.complete(post, Stage.EDIT, output="newer")
    state = (await house.client.get(f"/api/posts/{post}")).json()
    assert state["current_stage"] == "images"


async def test_a_failed_stage_is_run_again(house: House) -> None:
    post = await house.posted()
    await house.fail(post, Stage.RESEARCH)
    assert (await told(house, post, "run")).json()["stage"] == "research"


async def test_restarting_sets_everything_aside(house: House) -> None:
    post = await house.posted()
    await house.finish(post)
    assert (await told(house, post, "restart")).json()["mode"] == "restart"
    state = (await house.client.get(f"/api/posts/{post}")).json()
    assert state["research_content"] is None
    assert state["completed_at"] is None


async def test_a_paused_post_stops_at_the_boundary_and_goes_on_when_resumed(house: House) -> None:
    post = await house.posted()
    assert (await told(house, post, "pause")).json()["status"] == "paused"
    assert (await told(house, post, "pause")).status_code == 200
    await house.complete(post, Stage.RESEARCH)
    assert (await house.client.get(f"/api/posts/{post}")).json()["current_stage"] == "paused"
    assert (await told(house, post, "resume")).json()["status"] == "resumed"
    assert (await house.client.get(f"/api/posts/{post}")).json()["current_stage"] == "outline"


async def test_a_cancelled_post_has_nothing_left_to_cancel_or_pause(house: House) -> None:
    post = await house.posted()
    assert (await told(house, post, "cancel", reason="wrong topic")).status_code == 200
    assert (await told(house, post, "cancel")).status_code == 200
    answer = await told(house, post, "pause")
    assert (answer.status_code, answer.json()["current_stage"]) == (409, "cancelled")


async def test_a_complete_post_is_not_run_again_by_accident(house: House) -> None:
    post = await house.posted()
    await house.finish(post)
    for action in ("run", "run-all"):
        answer = await told(house, post, action)
        assert (answer.status_code, answer.json()["code"]) == (409, "rejected")


@pytest.mark.parametrize(
    "action",
    ["run", "run-all", "rerun/edit", "restart", "approve", "pause", "resume", "cancel"],
)
async def test_an_unknown_post_takes_no_command(house: House, action: str) -> None:
    answer = await told(house, UUID(int=7), action)
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-post")


# --- a post that is gone ----------------------------------------------------------------------

GONE = [
    ("POST", "run", None),
    ("POST", "run?stage=research", None),
    ("POST", "run-all", None),
    ("POST", "rerun/research", None),
    ("POST", "rerun/images?image=1", {"prompt": "A dog"}),
    ("POST", "restart", None),
    ("POST", "approve", {"review": 1}),
    ("POST", "reject", {"note": "again"}),
    ("POST", "pause", None),
    ("POST", "resume", None),
    ("POST", "cancel", None),
    ("PATCH", "", {"topic": "Another"}),
    ("PATCH", "images/1", {"alt": "A dog"}),
    ("GET", "", None),
    ("GET", "logs", None),
    ("GET", "calls", None),
    ("GET", "analytics", None),
    ("GET", "export/markdown", None),
    ("GET", "export/html", None),
    ("GET", "export/wordpress", None),
    ("GET", "export/all", None),
    ("POST", "duplicate", None),
]


@pytest.mark.parametrize("named", [{}, {"If-Match": '"1"'}, {"If-Match": "*"}])
@pytest.mark.parametrize(("method", "action", "body"), GONE)
async def test_a_deleted_post_is_missing_on_every_route_and_stays_as_it_is(
    house: House, method: str, action: str, body: dict[str, Any] | None, named: dict[str, str]
) -> None:
    post = await in_review(house)
    assert (await house.client.delete(f"/api/posts/{post}")).status_code == 204
    before = len(house.events.messages)
    url = f"/api/posts/{post}/{action}".rstrip("/")
    answer = await house.client.request(method, url, json=body, headers=named)
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-post")
    assert len(house.events.messages) == before


async def test_the_table_of_what_is_missing_leaves_no_control_route_out(house: House) -> None:
    document = (await house.client.get("/openapi.json")).json()
    mine = "/api/posts/{post_id}"
    routes = {
        (method.upper(), path.removeprefix(mine).strip("/"))
        for path, methods in document["paths"].items()
        for method in methods
        if path.startswith(mine) and method != "delete"
    }
    tried = {(method, action.partition("?")[0]) for method, action, _ in GONE}
    named = {("POST", "rerun/research"): ("POST", "rerun/{stage}")}
    named |= {("PATCH", "images/1"): ("PATCH", "images/{number}")}
    named |= {("POST", "rerun/images"): ("POST", "rerun/{stage}")}
    assert routes - {named.get(each, each) for each in tried} == {("PUT", "images/{number}")}


async def test_an_upload_for_a_deleted_post_is_missing_too(house: House) -> None:
    post = await in_review(house)
    await house.client.delete(f"/api/posts/{post}")
    answer = await house.client.put(
        f"/api/posts/{post}/images/1", content=b"x", headers={"Content-Type": "image/png"}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-post")
