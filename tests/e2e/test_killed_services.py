"""Any process may be killed at any moment: the post completes, and nothing settled is paid twice.

The simulator holds the call that a stage is making, so that the kill lands in the middle of it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio

from shared.domain.values import ORDER, Stage
from tests.e2e.press import ONCE, SHORT

if TYPE_CHECKING:
    from tests.e2e.press import Press, Row

HOLDS = {stage: {"task": str(stage)} for stage in ORDER}
SERVERS = ("projector", "gateway", "nats-server", "postgres")


class Survived(NamedTuple):
    """A post whose service was killed, and what the providers saw of it."""

    post: Row
    attempts: list[Row]
    calls: list[Row]


def _topic(killed: str) -> str:
    return f"Caring for Tulips without {killed.title()}"


def repeated(calls: list[Row]) -> Counter[str]:
    """The requests that were sent more than once, with how often more."""
    sent = Counter(call["request_digest"] for call in calls)
    return Counter({digest: count - 1 for digest, count in sent.items() if count > 1})


async def _survived(press: Press, post: str, topic: str) -> Survived:
    return Survived(
        await press.finished(post), await press.attempts(post), await press.simulator.calls(topic)
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def survivors(press: Press) -> dict[Stage, Survived]:
    """Six posts, each held in the call of another stage while that stage's service is killed."""
    for stage in ORDER:
        await press.simulator.tell("hold", **HOLDS[stage], match=_topic(stage))
    posts = {stage: await press.hand_in(_topic(stage)) for stage in ORDER}
    await press.simulator.held(len(ORDER))
    pids = {stage: press.kill(stage) for stage in ORDER}
    for stage, pid in pids.items():
        await press.replaced(stage, pid)
    await press.simulator.nothing_held()
    await press.simulator.tell("release")
    return {stage: await _survived(press, posts[stage], _topic(stage)) for stage in ORDER}


@pytest.mark.slow
@pytest.mark.parametrize("stage", ORDER)
async def test_a_stage_killed_in_mid_call_is_taken_up_and_repeats_only_that_call(
    survivors: dict[Stage, Survived], stage: Stage
) -> None:
    _, attempts, calls = survivors[stage]
    abandoned = [each for each in attempts if each["outcome"] == "abandoned"]
    assert [each["stage"] for each in abandoned] == [stage]
    assert {each["outcome"] for each in attempts} == {"settled", "abandoned"}
    assert len(attempts) == len(calls)
    lost = [call for call in calls if call["outcome"] == "disconnected"]
    assert [call["task"] for call in lost] == [stage]
    assert repeated(calls) == {lost[0]["request_digest"]: 1}


@pytest.mark.slow
@pytest.mark.parametrize("stage", ORDER)
async def test_the_attempt_a_kill_left_open_is_named_as_unconfirmed_in_the_ledger(
    survivors: dict[Stage, Survived], stage: Stage
) -> None:
    post, _, calls = survivors[stage]
    told = [(each["stage"], each["open"]) for each in post["ledger"]["unconfirmed"]]
    assert told == [(stage, False)]
    answered = sum(call["cost_usd"] for call in calls if call["outcome"] == "answered")
    lost = sum(call["cost_usd"] for call in calls if call["outcome"] == "disconnected")
    assert post["ledger"]["settled_usd"] == pytest.approx(answered, rel=0, abs=1e-9)
    assert lost <= post["ledger"]["unconfirmed"][0]["worst_case_usd"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ORDER)
async def test_a_person_reads_in_the_log_that_another_worker_took_over(
    survivors: dict[Stage, Survived], stage: Stage
) -> None:
    entries = survivors[stage].post["execution_logs"]
    warnings = [entry["stage"] for entry in entries if entry["level"] == "warning"]
    assert set(warnings) == {stage}
    assert len(warnings) == 2
    done = [entry["stage"] for entry in entries if entry["event"] == "stage_complete"]
    assert done == list(ORDER)


@pytest.mark.slow
async def test_the_plan_of_the_pictures_is_kept_when_the_stage_dies_over_them(
    press: Press,
) -> None:
    topic = "Caring for Tulips in Pictures"
    await press.simulator.tell("hold", provider="gemini", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    await press.simulator.held(3)
    await press.replaced("images", press.kill("images"))
    await press.simulator.nothing_held()
    await press.simulator.tell("release")
    survived = await _survived(press, post, topic)
    abandoned = [each["key"] for each in survived.attempts if each["outcome"] == "abandoned"]
    assert sorted(abandoned) == ["image-1", "image-2", "image-3"]
    assert Counter(call["task"] for call in survived.calls) == {**ONCE, "picture": 7}
    assert set(repeated(survived.calls).values()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("name", SERVERS)
async def test_a_post_outlives_what_is_killed_beside_its_stages(press: Press, name: str) -> None:
    topic = _topic(name)
    await press.simulator.tell("hold", task="write", match=topic)
    post = await press.hand_in(topic)
    await press.simulator.held(1)
    await press.replaced(name, press.kill(name))
    await press.simulator.tell("release")
    survived = await _survived(press, post, topic)
    assert survived.post["stage_status"] == dict.fromkeys(ORDER, "complete")
    assert len(survived.calls) == len({call["request_digest"] for call in survived.calls})
    outcomes = Counter(each["outcome"] for each in survived.attempts)
    assert outcomes["settled"] == len(survived.attempts) - outcomes["failed"]


@pytest.mark.slow
async def test_all_that_was_shown_before_a_kill_is_shown_after_it(press: Press) -> None:
    topic = "Pruning Roses in Two Halves"
    await press.simulator.tell("hold", task="edit", match=topic)
    post = await press.hand_in(topic)
    await press.simulator.held(1)
    before = await press.until(post, "stage_start")
    shown = (await press.read(post, before.id))["execution_logs"]
    pids = {name: press.kill(name) for name in ("gateway", "projector")}
    for name, pid in pids.items():
        await press.replaced(name, pid)
    await press.simulator.tell("release")
    entries = (await press.finished(post))["execution_logs"]
    assert entries[: len(shown)] == shown
