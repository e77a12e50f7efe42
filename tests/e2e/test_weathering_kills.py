"""Twelve seconds of kills at random: afterwards everything is as if nothing had happened."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import suppress
from math import fsum
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio

from shared.domain.values import ORDER
from shared.local.environment import SERVICES
from tests.e2e.log_reader import replayed
from tests.e2e.press import PATIENCE

if TYPE_CHECKING:
    from tests.e2e.press import Press, Row

SEED = 20260
POSTS = 8
LASTS = 12.0
LIFELIKE = {"first_token": 0.25, "per_chunk": 0.005}
INSTANT = {"first_token": 0.0, "per_chunk": 0.0}

pytestmark = pytest.mark.slow


class Outcome(NamedTuple):
    """A post after the storm: as rows, as its attempts, and as the providers saw it."""

    post: Row
    attempts: list[Row]
    calls: list[Row]


def _topic(number: int) -> str:
    return f"Weathering Storm Number {number}"


async def _storm(press: Press) -> Counter[str]:
    """Kill one service after the other; whom, and how often."""
    lots, killed = random.Random(SEED), Counter[str]()
    with suppress(TimeoutError):
        async with asyncio.timeout(LASTS):
            while True:
                await asyncio.sleep(lots.uniform(0.2, 0.6))
                name = lots.choice(SERVICES)
                if name in press.plant.pids():
                    press.kill(name)
                    killed[name] += 1
    return killed


async def _completed(press: Press, post: str) -> Row:
    """Until it is complete; a run whose workers died three times is asked for again."""
    after = "0"
    while True:
        ended = await press.until(post, "pipeline_complete", "stage_error", after=after)
        if ended.name == "pipeline_complete":
            return await press.read(post, ended.id)
        assert ended.data["data"]["code"] == "worker_died", ended.data
        after = await press.told(post, "run")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def outcomes(press: Press) -> list[Outcome]:
    """What eight posts came to, started together and killed at for twelve seconds."""
    await press.simulator.tell("pace", **LIFELIKE)
    posts = [await press.hand_in(_topic(number)) for number in range(POSTS)]
    killed = await _storm(press)
    assert len(killed) == len(SERVICES)
    await press.simulator.tell("pace", **INSTANT)
    async with asyncio.timeout(2 * PATIENCE):
        ended = [await _completed(press, post) for post in posts]
    return [
        Outcome(
            ended[number],
            await press.attempts(posts[number]),
            await press.simulator.calls(_topic(number)),
        )
        for number in range(POSTS)
    ]


async def test_the_kills_hit_calls_that_were_under_way(outcomes: list[Outcome]) -> None:
    hit = Counter(each["outcome"] for outcome in outcomes for each in outcome.attempts)
    assert hit["abandoned"] + hit["late"] > 0


async def test_every_post_completes(outcomes: list[Outcome]) -> None:
    for post, _, _ in outcomes:
        assert post["stage_status"] == dict.fromkeys(ORDER, "complete")
        assert (post["failures"], post["stale"]) == ([], [])
        assert all(image["generated"] for image in post["image_manifest"]["images"])


async def test_every_stage_completed_exactly_once(outcomes: list[Outcome]) -> None:
    for post, _, _ in outcomes:
        events = Counter((e["event"], e["stage"]) for e in post["execution_logs"])
        assert [events["stage_complete", stage] for stage in ORDER] == [1] * len(ORDER)
        assert events["pipeline_complete", ""] == 1


async def test_every_call_was_settled_once_and_no_settled_call_was_repeated(
    outcomes: list[Outcome],
) -> None:
    for _, attempts, calls in outcomes:
        settled = [each for each in attempts if each["outcome"] == "settled"]
        keys = Counter((each["stage"], each["key"]) for each in settled)
        assert set(keys.values()) == {1}
        digests = Counter(call["request_digest"] for call in calls)
        assert len(digests) == len(settled)
        assert all(each["outcome"] in {"settled", "abandoned", "late"} for each in attempts)
        assert len(calls) - len(digests) <= len(attempts) - len(settled)


async def test_a_settled_call_is_the_last_of_its_kind(outcomes: list[Outcome]) -> None:
    for _, attempts, _ in outcomes:
        last = {(each["stage"], each["key"]): each["outcome"] for each in attempts}
        assert set(last.values()) == {"settled"}


async def test_the_ledger_and_the_providers_differ_by_the_unconfirmed_alone(
    outcomes: list[Outcome],
) -> None:
    for post, attempts, calls in outcomes:
        billed = fsum(call["cost_usd"] for call in calls)
        settled = fsum(each["cost_usd"] for each in attempts)
        book = post["ledger"]
        assert book["settled_usd"] == pytest.approx(settled, rel=0, abs=1e-9)
        unknown = fsum(each["worst_case_usd"] for each in book["unconfirmed"])
        assert settled - 1e-9 <= billed <= settled + unknown + 1e-9
        assert not any(each["open"] for each in book["unconfirmed"])


async def test_the_rows_say_what_the_log_says(press: Press, outcomes: list[Outcome]) -> None:
    told = await replayed(press, [outcome.post["id"] for outcome in outcomes])
    assert told == [outcome.post for outcome in outcomes]
