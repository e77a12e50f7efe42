"""The user's own list: what each task of the plan says can be seen live."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import TYPE_CHECKING

import httpx
import pytest_asyncio

from shared.domain.values import ORDER
from tests.e2e.press import SHORT

if TYPE_CHECKING:
    from shared.client import Event
    from tests.e2e.press import Press, Row

COMPLETE = dict.fromkeys(ORDER, "complete")
FIELDS = (
    "research_content",
    "outline_content",
    "draft_content",
    "final_md_content",
    "image_manifest",
    "ready_content",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def story(press: Press) -> list[Event]:
    """Everything a browser saw of one clean run."""
    return await press.story(await press.hand_in("Seed Savers at Home"))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def post(press: Press, story: list[Event]) -> Row:
    """What is left of that run when the browser is opened again."""
    return await press.read(story[-1].data["post_id"], story[-1].id)


async def _logs(press: Press, post: str, **query: str | list[str]) -> list[Row]:
    answer = await press.http.get(f"/api/posts/{post}/logs", params=query)
    entries: list[Row] = answer.raise_for_status().json()["items"]
    return entries


async def test_task_1_1_the_stream_tells_of_every_stage_and_the_post_is_complete(
    story: list[Event], post: Row
) -> None:
    told = [(event.name, event.data["stage"]) for event in story]
    for stage in ORDER:
        assert told.index(("stage_start", stage)) < told.index(("stage_complete", stage))
    assert post["current_stage"] == "complete"
    assert set(post["stage_logs"]) == set(ORDER)


async def test_task_1_2_a_gate_pauses_is_listed_and_approval_resumes(press: Press) -> None:
    post = await press.hand_in("Task One Two", gates={"outline": "review"}, words=SHORT)
    ended = await press.until(post, "stage_review", "stage_error")
    waiting = await press.read(post, ended.id)
    assert waiting["stage_status"]["research"] == "complete"
    assert waiting["stage_status"]["outline"] == "review"
    listed = (await press.gateway.posts(status="review", q="Task One Two"))["items"]
    assert [each["id"] for each in listed] == [post]
    failed = (await press.gateway.posts(status="failed", q="Task One Two"))["items"]
    assert failed == []
    finished = await press.finished(post, after=await press.told(post, "approve"))
    assert finished["stage_status"] == COMPLETE


async def test_task_1_3_a_manifest_that_cannot_be_read_fails_with_the_raw_answer_and_can_rerun(
    press: Press,
) -> None:
    topic = "Task One Three"
    await press.simulator.tell("rules", provider="manifest", fault="invalid_json", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    error = await press.until(post, "stage_error", "pipeline_complete")
    assert (error.name, error.data["stage"]) == ("stage_error", "images")
    assert "Here is the manifest" in error.data["data"]["raw"]
    failed = await press.read(post, error.id)
    assert failed["stage_status"]["images"] == "failed"
    assert [each["stage"] for each in failed["failures"]] == ["images"]
    await press.simulator.drop_rules()
    again = await press.until(
        post, "stage_complete", "stage_error", after=await press.told(post, "rerun/images")
    )
    assert (again.name, again.data["stage"]) == ("stage_complete", "images")


async def test_task_2_1a_the_log_grows_step_by_step_in_order(press: Press) -> None:
    topic = "Task Two One"
    await press.simulator.tell("hold", task="outline", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(1)
    asked = await press.until(post, "stage_complete")
    half = (await press.read(post, asked.id))["execution_logs"]
    await press.simulator.tell("release")
    whole = (await press.finished(post))["execution_logs"]
    assert 0 < len(half) < len(whole)
    assert whole[: len(half)] == half
    moments = [datetime.fromisoformat(entry["ts"]) for entry in whole]
    assert all(earlier <= later for earlier, later in pairwise(moments))


async def test_task_2_1b_posts_that_run_at_once_keep_their_logs_apart(press: Press) -> None:
    topics = ("Task Two One B Apples", "Task Two One B Pears")
    posts = await asyncio.gather(*(press.hand_in(topic, words=SHORT) for topic in topics))
    logs = [(await press.finished(post))["execution_logs"] for post in posts]
    assert not {e["seq"] for e in logs[0]} & {e["seq"] for e in logs[1]}
    first, second = (
        [(e["stage"], e["event"]) for e in log if e["level"] == "info"] for log in logs
    )
    assert first == second


async def test_task_2_1c_every_image_is_told_and_a_failure_has_its_traceback(
    press: Press, post: Row
) -> None:
    made = [e["data"] for e in post["execution_logs"] if e["event"] == "image_generated"]
    assert sorted(each["index"] for each in made) == list(range(1, len(made) + 1))
    assert {each["path"] for each in made} == {
        image["filename"] for image in post["image_manifest"]["images"]
    }
    failing = await press.hand_in("Task Two One C [[sim:perplexity:401]]", words=SHORT)
    error = await press.until(failing, "stage_error")
    (kept,) = await _logs(press, failing, level="error", min_seq=error.id)
    assert "Traceback" in kept["data"]["traceback"]
    assert kept["data"]["moved_to_dlq"]


async def test_task_2_1d_the_log_can_be_asked_by_level_stage_and_time(
    press: Press, post: Row
) -> None:
    lost = await press.hand_in("Task Two One D [[sim:gemini:safety_block*1]]", words=SHORT)
    whole = (await press.finished(lost))["execution_logs"]
    assert await _logs(press, lost) == whole
    assert await _logs(press, post["id"], level="error") == []
    for levels in (["error"], ["warning", "error"]):
        found = await _logs(press, lost, level=levels)
        assert found == [entry for entry in whole if entry["level"] in levels]
        assert found
    images = await _logs(press, lost, stage="images")
    assert images == [entry for entry in whole if entry["stage"] == "images"]
    middle = datetime.fromisoformat(whole[len(whole) // 2]["ts"])
    later = [entry for entry in whole if datetime.fromisoformat(entry["ts"]) > middle]
    for hours in (0, -5, 5.5):
        spelled = middle.astimezone(timezone(timedelta(hours=hours))).isoformat()
        assert await _logs(press, lost, since=spelled) == later
    assert (await press.http.get(f"/api/posts/{lost}/logs?level=loud")).status_code == 422


async def test_task_2_2_every_stage_has_its_own_figures(post: Row) -> None:
    for log in post["stage_logs"].values():
        assert {"model", "duration_s", "tokens_in", "tokens_out", "cost_usd"} <= set(log)
    costs = sum(log["cost_usd"] for log in post["stage_logs"].values())
    assert abs(costs - post["ledger"]["settled_usd"]) < 1e-5


async def test_task_2_2b_the_images_stage_counts_the_time_and_cost_of_its_pictures(
    press: Press,
) -> None:
    topic = "Task Two Two B"
    await press.simulator.tell("hold", provider="gemini", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(3)
    began = time.monotonic()
    await asyncio.sleep(0.5)
    waited = time.monotonic() - began
    await press.simulator.tell("release")
    took = (await press.finished(post))["stage_logs"]["images"]
    pictures = [c for c in await press.simulator.calls(topic) if c["provider"] == "gemini"]
    assert took["duration_s"] >= round(waited, 2) - 0.01
    assert took["cost_usd"] > sum(call["cost_usd"] for call in pictures)


async def test_task_3_1_a_refused_key_fails_after_one_attempt(press: Press) -> None:
    post = await press.hand_in("Task Three One [[sim:claude:401]]", words=SHORT)
    error = await press.until(post, "stage_error")
    assert (error.data["data"]["code"], error.data["data"]["attempt"]) == (
        "authentication_error",
        1,
    )
    attempts = [each for each in await press.attempts(post) if each["stage"] == "outline"]
    assert len(attempts) == 1


async def test_task_3_2_a_provider_that_never_answers_is_given_up_and_asked_again(
    press: Press,
) -> None:
    topic = "Task Three Two [[sim:gemini:hang*1]]"
    post = await press.hand_in(topic, words=SHORT)
    finished = await press.finished(post)
    retries = [e["data"]["code"] for e in finished["execution_logs"] if e["event"] == "retry"]
    assert retries == ["timeout"]


async def test_task_3_3_three_pictures_are_made_at_once_and_never_four(press: Press) -> None:
    topic = "Task Three Three"
    await press.simulator.tell("hold", provider="gemini", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(3)
    begun = [each for each in await press.attempts(post) if each["provider"] == "gemini"]
    await press.simulator.tell("release")
    finished = await press.finished(post)
    assert len(begun) == 3
    assert len(finished["image_manifest"]["images"]) == 4


async def test_task_4_1_a_run_after_a_kill_goes_on_with_the_stage_that_was_open(
    press: Press,
) -> None:
    topic = "Task Four One"
    await press.simulator.tell("hold", task="edit", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(1)
    await press.replaced("edit", press.kill("edit"))
    await press.simulator.nothing_held()
    await press.simulator.tell("release")
    await press.told(post, "run-all")
    finished = await press.finished(post)
    assert finished["stage_status"] == COMPLETE
    assert all(finished[field] for field in FIELDS)
    tasks = [c["task"] for c in await press.simulator.calls(topic) if c["task"] != "picture"]
    assert sorted(tasks) == sorted([*ORDER, "edit"])


async def test_task_4_3_every_way_to_run_a_stage_tells_the_same_story(press: Press) -> None:
    post = await press.hand_in("Task Four Three", gates=dict.fromkeys(ORDER, "review"), words=SHORT)
    stories = []
    for action in ("run?stage=research", "rerun/research", "restart"):
        after = await press.told(post, action)
        ended = await press.until(post, "stage_review", "stage_error", after=after)
        await press.projected(ended.id)
        entries = await _logs(press, post, stage="research")
        stories.append(
            [
                e["event"]
                for e in entries
                if e["seq"] > int(after) and e["event"] != "pipeline_start"
            ]
        )
    assert stories[0] == stories[1] == stories[2]
    assert "stage_complete" in stories[0]


async def test_task_5_1_a_post_starts_by_itself_and_reaches_its_first_gate(press: Press) -> None:
    post = await press.hand_in("Task Five One", gates={"write": "approve_only"}, words=SHORT)
    assert (await press.until(post, "stage_start")).data["stage"] == "research"
    assert (await press.rest(post))["stage_status"]["write"] == "review"


async def test_task_5_2_an_approval_carries_the_post_through_all_stages_that_are_left(
    press: Press,
) -> None:
    post = await press.hand_in("Task Five Two", gates={"research": "review"}, words=SHORT)
    await press.rest(post)
    after = await press.told(post, "approve")
    story = await press.story(post, after)
    done = [event.data["stage"] for event in story if event.name == "stage_complete"]
    assert done == list(ORDER[1:])


async def test_task_5_3_three_posts_handed_in_together_all_complete(press: Press) -> None:
    topics = [f"Task Five Three {name}" for name in ("Oats", "Rye", "Wheat")]
    posts = await asyncio.gather(*(press.hand_in(topic, words=SHORT) for topic in topics))
    ended = await asyncio.gather(*(press.finished(post) for post in posts))
    assert [each["stage_status"] for each in ended] == [COMPLETE] * 3


async def test_checklist_a_closed_browser_loses_nothing(
    press: Press, story: list[Event], post: Row
) -> None:
    seen = [int(event.id) for event in story if event.name != "tokens"]
    assert [entry["seq"] for entry in await _logs(press, post["id"])] == seen
    assert all(post[field] for field in FIELDS)
    listed = (await press.gateway.posts(status="complete", q="Seed Savers"))["items"]
    assert [each["id"] for each in listed] == [post["id"]]
    assert (await press.http.get(f"/api/posts/{post['id']}/export/all")).status_code == (
        httpx.codes.OK
    )
