"""Who works is what was heard and counted; what nobody knows is null and never 0."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx

from services.gateway.app import create_app
from services.gateway.queue.workforce import Workforce
from shared.domain.values import ORDER, Stage
from shared.errors import LogUnavailable
from shared.heartbeats import Backlog, Beat
from shared.runtime.beats import beating
from shared.testing import NOW
from shared.testing.access import BEARER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.gateway.conftest import House

RESEARCH = Stage.RESEARCH


def beat(service: str = "research", instance: str = "a", **told: Any) -> Beat:
    fields: dict[str, Any] = {"active": 1, "slots": 4, "started_at": NOW, "version": "1"}
    return Beat(service=service, instance=instance, **{**fields, **told})


class Air:
    """Carries beats to whoever listens. `broken` lets the next subscription fail."""

    def __init__(self) -> None:
        self.told: list[Beat] = []
        self.waiting: asyncio.Queue[Beat] = asyncio.Queue()
        self.listened = asyncio.Event()
        self.broken = False

    async def publish(self, beat: Beat) -> None:
        self.told.append(beat)
        self.waiting.put_nowait(beat)

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Beat]]:
        if self.broken:
            self.broken = False
            raise LogUnavailable("not now")
        self.listened.set()
        yield self._heard()

    async def _heard(self) -> AsyncIterator[Beat]:
        while True:
            yield await self.waiting.get()


class Counter:
    """Counts how often it is asked what waits for a stage."""

    def __init__(self, backlog: Backlog | None) -> None:
        self.backlog = backlog
        self.asked = 0

    async def of(self, stage: Stage) -> Backlog:
        self.asked += 1
        await asyncio.sleep(0)
        if self.backlog is None:
            raise LogUnavailable(f"nothing is known of {stage}")
        return self.backlog


async def status(house: House, workforce: Workforce) -> Any:
    app = create_app(replace(house.gateway, workforce=workforce))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://galley", headers=BEARER
    ) as client:
        answer = await client.get("/api/queue/worker-status")
        assert answer.status_code == 200, answer.text
        return answer.json()


# --- the answer -------------------------------------------------------------------------------


async def test_where_nothing_is_known_nothing_is_said_to_be_zero(house: House) -> None:
    told = await status(house, Workforce())
    assert (told["worker_alive"], told["active_jobs"], told["queued_jobs"]) == (False, None, None)
    assert told["last_completed"] is None
    assert [each["service"] for each in told["services"]] == [*ORDER, "projector", "gateway"]
    unknown = ("active", "slots", "queued", "in_flight", "oldest_waiting_s", "last_completed_at")
    assert {each[name] for each in told["services"] for name in unknown} == {None}


async def test_a_stage_is_the_sum_of_its_processes_and_the_server_s_counts(house: House) -> None:
    oldest = NOW - timedelta(seconds=90)
    counter = Counter(Backlog(queued=7, in_flight=3, oldest=oldest))
    workforce = Workforce(None, counter)
    for instance, version in (("a", "1"), ("b", "2"), ("b", "2")):
        workforce.hear(beat(instance=instance, version=version))
    told = await status(house, workforce)
    assert told["services"][0] == {
        "service": "research",
        "alive": True,
        "instances": 2,
        "versions": ["1", "2"],
        "active": 2,
        "slots": 8,
        "queued": 7,
        "in_flight": 3,
        "oldest_waiting_s": 90.0,
        "last_completed_at": None,
    }
    assert (told["active_jobs"], told["queued_jobs"], told["worker_alive"]) == (2, 42, False)


async def test_the_press_is_alive_when_every_stage_is(house: House) -> None:
    workforce = Workforce()
    for stage in ORDER:
        assert not (await status(house, workforce))["worker_alive"]
        workforce.hear(beat(stage))
    told = await status(house, workforce)
    assert told["worker_alive"]
    assert [each["alive"] for each in told["services"]] == [True] * 6 + [False] * 2


async def test_a_server_that_does_not_answer_says_nothing_of_its_queue(house: House) -> None:
    told = await status(house, Workforce(None, Counter(None)))
    assert {each["queued"] for each in told["services"]} == {None}


async def test_a_clock_that_runs_behind_makes_no_negative_age(house: House) -> None:
    later = Backlog(queued=1, in_flight=0, oldest=NOW + timedelta(seconds=5))
    told = await status(house, Workforce(None, Counter(later)))
    assert told["services"][0]["oldest_waiting_s"] == 0


# --- what is heard ----------------------------------------------------------------------------


def test_who_is_silent_for_six_seconds_is_gone_and_comes_back_when_heard() -> None:
    now = [0.0]
    workforce = Workforce(monotonic=lambda: now[0])
    workforce.hear(beat())
    now[0] = 6.0
    assert len(workforce.at_work("research")) == 1
    now[0] = 6.1
    assert workforce.at_work("research") == []
    workforce.hear(beat(active=3))
    assert [each.active for each in workforce.at_work("research")] == [3]


async def test_an_ear_that_failed_listens_again() -> None:
    air = Air()
    air.broken = True
    workforce = Workforce(air)
    ear = asyncio.create_task(workforce.listen())
    await air.listened.wait()
    await air.publish(beat())
    while not workforce.at_work("research"):
        await asyncio.sleep(0)
    assert not ear.done()
    ear.cancel()
    await asyncio.gather(ear, return_exceptions=True)


async def test_many_who_ask_at_once_ask_the_server_once_a_second() -> None:
    now, counter = [0.0], Counter(Backlog(queued=1, in_flight=0))
    workforce = Workforce(None, counter, lambda: now[0])
    await asyncio.gather(*(workforce.backlog(RESEARCH) for _ in range(50)))
    assert counter.asked == 1
    now[0] = 1.0
    await workforce.backlog(RESEARCH)
    assert counter.asked == 2


# --- what is told -----------------------------------------------------------------------------


async def test_a_process_beats_while_it_is_well_and_no_longer() -> None:
    air = Air()
    trouble: list[str] = []
    well = lambda: trouble[0] if trouble else None  # noqa: E731
    async with beating(air, "research", NOW, active=lambda: 2, well=well, every_s=0.001):
        first, second = await air.waiting.get(), await air.waiting.get()
        trouble.append("stuck")
        told = len(air.told)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert len(air.told) == told
        trouble.clear()
        await air.waiting.get()
    ended = len(air.told)
    await asyncio.sleep(0.01)
    assert len(air.told) == ended
    assert first == second
    assert (first.service, first.active, first.started_at) == ("research", 2, NOW)
