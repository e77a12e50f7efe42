"""A log that is away, late, behind or forged: nothing is paid twice, nothing stays open, nothing
hangs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.domain.commands import CancelPipeline
from shared.domain.events import (
    CallAbandoned,
    CallSettled,
    CallStarted,
    StageCompleted,
    StageFailed,
    StageRequested,
)
from shared.domain.values import Stage
from shared.errors import Conflict, LogUnavailable, Permanent, Unconfirmed
from shared.eventlog import Append, History
from shared.providers.port import Answer, Picture
from shared.testing.memory import MemoryMedia
from tests.unit.runtime.bench import POST, Bench, Delivery, Model, asks
from tests.unit.runtime.simulation.between import USAGE, Between, only, told
from tests.unit.runtime.simulation.virtual_time import lived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.events import PostEvent
    from shared.domain.subjects import PostRef


class ClaimsComeLater(Between):
    """The first claim is not confirmed, and arrives when the next one has been paid."""

    kept: Append | None = None

    async def append(self, append: Append) -> tuple[int, ...]:
        if self.kept is None and isinstance(append.facts[0], CallStarted):
            self.kept = append
            raise Unconfirmed("nobody knows")
        seqs = await super().append(append)
        if self.kept is not None and isinstance(append.facts[0], CallSettled):
            with pytest.raises(Conflict):
                await self.bench.memory.append(self.kept)
        return seqs


def test_a_claim_that_arrives_after_the_next_one_changes_nothing():
    bench, facts = told(asks("draft"), log=ClaimsComeLater)
    assert len(bench.model.asked) == len(only(facts, CallStarted)) == 1
    assert only(facts, StageCompleted)


class LooksFail(Between):
    """The first `times` looks of the heartbeat at a cancelled post fail, or show the past."""

    def __init__(self, bench: Bench, times: int, *, past: bool) -> None:
        super().__init__(bench)
        self._times = times
        self._past = past

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        history = await super().read(ref, calls)
        if history.post.cancelled and self._times:
            self._times -= 1
            if not self._past:
                raise LogUnavailable("away")
            return History(ref, history.flow[:-1], history.calls)
        return history


@pytest.mark.parametrize("past", [False, True], ids=["away", "lagging"])
def test_a_cancellation_is_noticed_however_late_the_log_shows_it(past):
    async def life() -> tuple[list[PostEvent], list[str], float]:
        bench = Bench(Model(held=asyncio.Event()))
        bench.policy = type(bench.policy)(heartbeat=10)
        await bench.create()
        log = LooksFail(bench, 2, past=past)
        delivery = await bench.delivery()
        runner = bench.runner(Stage.RESEARCH, asks("draft"), log)  # type: ignore[arg-type]
        running = asyncio.create_task(runner.handle(delivery))
        await bench.model.reached.wait()
        await bench.do(CancelPipeline(post_id=POST.id))
        await running
        return await bench.facts(), delivery.ended, asyncio.get_running_loop().time()

    facts, ended, took = lived(life())
    assert [each.reason for each in only(facts, CallAbandoned)] == ["cancelled"]
    assert ended[-1] == "ack"
    assert took < 60


class Forgets(Between):
    """A replica that has not heard of anything after the request, from the deadline on."""

    behind = False

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        history = await super().read(ref, calls)
        if self.behind:
            self.behind = False
            return History(ref, history.flow, ())
        return history


def test_a_replica_that_lags_cannot_hide_an_open_attempt():
    async def life() -> list[PostEvent]:
        bench = Bench(Model(held=asyncio.Event()))
        bench.policy = type(bench.policy)(stage_deadline=5, heartbeat=3600)
        await bench.create()
        log = Forgets(bench)
        runner = bench.runner(Stage.RESEARCH, asks("draft"), log)  # type: ignore[arg-type]
        running = asyncio.create_task(runner.handle(await bench.delivery()))
        await bench.model.reached.wait()
        log.behind = True
        await running
        return await bench.facts()

    facts = lived(life())
    assert only(facts, StageFailed)[0].code == "stage_deadline"
    assert len(only(facts, CallAbandoned)) == 1


class SlipsIn(Between):
    """Another worker claims just before the run fails, and dies."""

    async def append(self, append: Append) -> tuple[int, ...]:
        if any(isinstance(fact, StageFailed) for fact in append.facts):
            claim = only(await self.bench.facts(), CallStarted)[-1]
            other = claim.model_copy(update={"key": "other", "token": "not mine"})
            await self.bench.memory.append(Append(ref=POST, facts=[other]))
        return await super().append(append)


def test_a_claim_that_slips_in_before_the_failure_is_named_all_the_same():
    refused = Permanent("no", code="refusal")
    _, facts = told(asks("draft"), refused, log=SlipsIn)
    assert only(facts, StageFailed)
    assert [each.key for each in only(facts, CallAbandoned)] == ["other"]


class MediaAway(MemoryMedia):
    """Away for the first minutes."""

    async def put(self, name: str, data: bytes) -> None:
        if asyncio.get_running_loop().time() < 120:
            raise LogUnavailable("away")
        await super().put(name, data)


def test_a_picture_waits_for_a_media_store_that_is_away():
    async def life() -> tuple[Bench, list[PostEvent]]:
        shown = (Picture(data=b"png", media_type="image/png"),)
        bench = Bench(Model([Answer(text="", usage=USAGE, pictures=shown)]))
        bench.media = MediaAway()
        await bench.create()
        await bench.run(asks("image-1"))
        return bench, await bench.facts()

    bench, facts = lived(life())
    assert len(bench.model.asked) == 1
    assert len(only(facts, CallSettled)[0].blobs) == 1


class Away(Between):
    """Gone for good once `gone` is set."""

    gone = False

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        if self.gone:
            await asyncio.sleep(2.0)
            raise LogUnavailable("away")
        return await super().read(ref, calls)

    async def append(self, append: Append) -> tuple[int, ...]:
        if self.gone:
            await asyncio.sleep(2.0)
            raise Unconfirmed("away")
        return await super().append(append)


def test_a_drain_ends_soon_also_when_the_log_is_away():
    async def life() -> tuple[list[str], float]:
        bench = Bench(Model(held=asyncio.Event()))
        await bench.create()
        log = Away(bench)
        delivery = await bench.delivery()
        runner = bench.runner(Stage.RESEARCH, asks("draft"), log)  # type: ignore[arg-type]
        running = asyncio.create_task(runner.handle(delivery))
        await bench.model.reached.wait()
        log.gone = True
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return delivery.ended, asyncio.get_running_loop().time()

    ended, took = lived(life())
    assert ended == ["back"]
    assert took < 30


def test_a_request_that_no_read_shows_is_not_acked_and_comes_back_much_later():
    async def life() -> Delivery:
        bench = Bench()
        await bench.create()
        request = StageRequested(
            post_id=POST.id, at=bench.clock + timedelta(seconds=1), stage=Stage.RESEARCH
        )
        forged = Delivery(99, request)
        await bench.runner(Stage.RESEARCH, asks("draft")).handle(forged)
        assert bench.model.asked == []
        return forged

    assert lived(life()).ended == ["back later"]
