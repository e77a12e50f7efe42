"""People decide: a gate holds the post, a decision moves it, and none is ever taken twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.domain.values import ORDER
from shared.local.environment import login_name
from tests.e2e.press import ONCE, SHORT

if TYPE_CHECKING:
    from tests.e2e.press import Press

OUTLINED = ["research", "outline"]
COMPLETE = dict.fromkeys(ORDER, "complete")
EDITED = "# Bees on Balconies\n\n" + "\n\n".join(
    f"## Part {number}\n\n- What a keeper does in week {number}, and why it matters to the hive\n"
    f"- Which tool is used in week {number}, and where it is kept between two visits"
    for number in range(1, 7)
)


async def _tasks(press: Press, topic: str) -> Counter[str]:
    calls = await press.simulator.calls(topic)
    return Counter(call["task"] for call in calls if call["task"] != "picture")


async def test_a_gate_holds_the_post_after_its_stage_until_it_is_approved(press: Press) -> None:
    post = await press.hand_in("Gated Geraniums", gates={"outline": "review"}, words=SHORT)
    waiting = await press.rest(post)
    assert (waiting["current_stage"], waiting["waits_for"]) == ("outline", "person")
    assert waiting["stage_status"]["outline"] == "review"
    assert waiting["outline_content"]
    assert list(await _tasks(press, "Gated Geraniums")) == OUTLINED
    after = await press.told(post, "approve")
    finished = await press.finished(post, after=after)
    assert finished["stage_status"] == COMPLETE
    assert finished["outline_content"] == waiting["outline_content"]
    assert await _tasks(press, "Gated Geraniums") == ONCE


async def test_an_approval_with_edits_goes_on_with_the_edit(press: Press) -> None:
    topic = "Bees on Balconies"
    post = await press.hand_in(topic, gates={"outline": "review"}, words=SHORT)
    await press.rest(post)
    after = await press.told(post, "approve", content=EDITED)
    finished = await press.finished(post, after=after)
    assert finished["outline_content"] == EDITED
    assert "Part 3" in finished["draft_content"]
    assert await _tasks(press, topic) == ONCE
    assert any(f"by {login_name()}" in entry["message"] for entry in finished["execution_logs"])


async def test_a_rejection_runs_the_stage_again_with_the_note(press: Press) -> None:
    topic = "Rejected Radishes"
    post = await press.hand_in(topic, gates={"outline": "review"}, words=SHORT)
    first = await press.rest(post)
    after = await press.told(post, "reject", note="Add a part about snails.")
    second = await press.rest(post, after=after)
    assert second["stage_status"]["outline"] == "review"
    assert second["review"]["seq"] > first["review"]["seq"]
    asked = [call["prompt_digest"] for call in await press.simulator.calls(topic)]
    assert len(set(asked)) == len(asked) == 3
    assert any("snails" in entry["message"] for entry in second["execution_logs"])
    late = await press.tell(post, "approve", review=first["review"]["seq"])
    assert late.status_code == httpx.codes.CONFLICT
    await press.finished(post, after=await press.told(post, "approve"))


async def test_an_approve_only_gate_takes_no_edit(press: Press) -> None:
    post = await press.hand_in(
        "Strict Strawberries", gates={"research": "approve_only"}, words=SHORT
    )
    waiting = await press.rest(post)
    refused = await press.tell(post, "approve", content=EDITED)
    assert refused.status_code == httpx.codes.CONFLICT
    assert (await press.read(post))["research_content"] == waiting["research_content"]
    await press.finished(post, after=await press.told(post, "approve"))


async def test_a_post_with_six_gates_waits_until_it_is_started(press: Press) -> None:
    topic = "Shut Shallots"
    post = await press.hand_in(topic, gates=dict.fromkeys(ORDER, "review"), words=SHORT)
    assert (await press.read(post))["current_stage"] == "pending"
    assert await _tasks(press, topic) == {}
    after = await press.told(post, "run-all")
    finished = await press.finished(post, after=after)
    assert finished["stage_settings"] == dict.fromkeys(ORDER, "auto")


async def test_run_all_opens_the_gates_of_a_waiting_post(press: Press) -> None:
    gates = {"research": "review", "edit": "approve_only", "ready": "review"}
    post = await press.hand_in("Hurried Hollyhocks", gates=gates, words=SHORT)
    await press.rest(post)
    finished = await press.finished(post, after=await press.told(post, "run-all"))
    assert finished["stage_status"] == COMPLETE


async def test_a_paused_post_finishes_its_stage_and_goes_on_when_resumed(press: Press) -> None:
    topic = "Paused Parsnips"
    await press.simulator.tell("hold", task="outline", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(1)
    await press.told(post, "pause")
    await press.simulator.tell("release")
    outlined = await _completed(press, post, "outline")
    paused = await press.read(post, outlined)
    assert (paused["current_stage"], paused["waits_for"]) == ("paused", "")
    assert list(await _tasks(press, topic)) == OUTLINED
    finished = await press.finished(post, after=await press.told(post, "resume"))
    assert finished["stage_status"] == COMPLETE
    assert await _tasks(press, topic) == ONCE


async def _completed(press: Press, post: str, stage: str) -> str:
    """The id of the event that tells of the stage's end."""
    after = "0"
    while True:
        event = await press.until(post, "stage_complete", after=after)
        after = event.id
        if event.data["stage"] == stage:
            return after


async def test_a_cancelled_call_is_given_up_in_flight_and_a_run_goes_on_from_there(
    press: Press,
) -> None:
    topic = "Cancelled Carrots"
    await press.simulator.tell("hold", task="write", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(1)
    await press.told(post, "cancel", reason="wrong vegetable")
    await press.simulator.nothing_held()
    await press.simulator.tell("release")
    assert (await press.read(post))["current_stage"] == "cancelled"
    finished = await press.finished(post, after=await press.told(post, "run"))
    assert finished["stage_status"] == COMPLETE
    assert await _tasks(press, topic) == {**ONCE, "write": 2}
    outcomes = Counter(each["outcome"] for each in await press.attempts(post))
    assert (outcomes["abandoned"], set(outcomes)) == (1, {"abandoned", "settled"})


async def test_a_restart_begins_again_at_research(press: Press) -> None:
    topic = "Restarted Rhubarb"
    post = await press.hand_in(topic, words=SHORT)
    before = await press.finished(post)
    finished = await press.finished(post, after=await press.told(post, "restart"))
    assert finished["stage_status"] == COMPLETE
    assert await _tasks(press, topic) == dict.fromkeys(ONCE, 2)
    settled = finished["ledger"]["settled_usd"]
    assert settled == pytest.approx(2 * before["ledger"]["settled_usd"], rel=1e-3)


async def test_a_stage_run_alone_leaves_what_follows_stale(press: Press) -> None:
    topic = "Lonely Leeks"
    post = await press.hand_in(topic, words=SHORT)
    await press.finished(post)
    after = await press.told(post, "rerun/write")
    done = await press.until(post, "stage_complete", after=after)
    alone = await press.read(post, done.id)
    assert (done.data["stage"], alone["stale"]) == ("write", ["edit", "images", "ready"])
    assert await _tasks(press, topic) == {**ONCE, "write": 2}
    after = await press.told(post, "rerun/edit?cascade=true")
    assert (await press.finished(post, after=after))["stale"] == []


async def test_a_stage_without_its_inputs_is_refused_and_they_are_named(press: Press) -> None:
    post = await press.hand_in("Early Endives", gates=dict.fromkeys(ORDER, "review"), words=SHORT)
    refused = await press.tell(post, "run?stage=edit")
    assert refused.status_code == httpx.codes.CONFLICT
    assert "research" in refused.json()["detail"]


async def test_a_second_start_of_a_running_post_is_no_second_bill(press: Press) -> None:
    topic = "Doubled Dahlias"
    await press.simulator.tell("hold", task="research", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(1)
    again = await asyncio.gather(*(press.tell(post, "run") for _ in range(10)))
    assert {answer.status_code for answer in again} <= {202, 409}
    await press.simulator.tell("release")
    await press.finished(post)
    assert await _tasks(press, topic) == ONCE


async def test_of_fifty_opposing_decisions_exactly_one_wins_and_nothing_runs_twice(
    press: Press,
) -> None:
    topic = "Contested Cucumbers"
    post = await press.hand_in(topic, gates={"outline": "review"}, words=SHORT)
    seq = (await press.rest(post))["review"]["seq"]
    answers = await asyncio.gather(
        *(
            press.tell(post, "approve", review=seq)
            if number % 2
            else press.tell(post, "reject", review=seq, note=f"Objection {number}")
            for number in range(50)
        )
    )
    codes = Counter(answer.status_code for answer in answers)
    assert codes == {200: 1, 409: 49}
    winner = next(answer for answer in answers if answer.is_success)
    ended = await press.rest(post, after=winner.headers["Galley-Sequence"])
    tasks = await _tasks(press, topic)
    if ended["current_stage"] == "complete":
        assert tasks == ONCE
    else:
        assert tasks == {"research": 1, "outline": 2}
    decisions = [
        entry["message"]
        for entry in ended["execution_logs"]
        if "approved" in entry["message"] or "rejected" in entry["message"]
    ]
    assert len(decisions) == 1
