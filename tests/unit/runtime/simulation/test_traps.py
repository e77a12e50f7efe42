"""What a provider, a stage or the log may do at the worst moment: each told on its own.

The rule behind all of them: an answer that was paid for is booked to the cent and asked once.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.domain.commands import CancelPipeline
from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallSettled,
    CallStarted,
    Progressed,
    StageCompleted,
    StageFailed,
    StageRequested,
)
from shared.domain.ledger import ledger
from shared.domain.values import Source, Stage, Usage
from shared.errors import Conflict, LogUnavailable, Permanent, Unconfirmed
from shared.eventlog import Append, History
from shared.providers.port import Answer, Picture
from shared.runtime.desk import Work
from shared.testing.memory import MemoryMedia
from tests.unit.runtime.bench import (
    MODEL,
    POST,
    Bench,
    Delivery,
    Model,
    answer,
    ask,
    asks,
)
from tests.unit.runtime.simulation.virtual_time import lived

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.domain.events import Fact, PostEvent, Recorded
    from shared.domain.subjects import PostRef
    from shared.runtime.desk import Desk, StageFunction

USAGE = Usage(model=MODEL, tokens_in=1000, tokens_out=200)
LONE = "\ud83d"


class Between:
    """The log, with somebody standing between it and the worker."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        return await self.bench.memory.read(ref, calls)

    async def last(self, ref: PostRef) -> Recorded | None:
        return await self.bench.memory.last(ref)

    async def say(self, ref: PostRef, line: Fact) -> None:
        await self.bench.memory.say(ref, line)

    async def append(self, append: Append) -> tuple[int, ...]:
        return await self.bench.memory.append(append)


def only[F: PostEvent](facts: Sequence[PostEvent], kind: type[F]) -> list[F]:
    return [fact for fact in facts if isinstance(fact, kind)]


def told(
    function: StageFunction,
    *answers: Answer | Exception,
    log: Callable[[Bench], Between] | None = None,
    deliveries: int = 1,
) -> tuple[Bench, list[PostEvent]]:
    """A post whose research is delivered so often, in virtual time; everything that was stored."""
    bench = Bench(Model(list(answers)))

    async def life() -> list[PostEvent]:
        await bench.create()
        if log is not None:
            bench.log = log(bench)  # type: ignore[assignment]
        delivery = await bench.delivery()
        for _ in range(deliveries):
            await bench.runner(Stage.RESEARCH, function).handle(delivery)
        return await bench.facts()

    return bench, lived(life())


# --- what the provider sends ------------------------------------------------------------------

TOO_LARGE = {
    "ascii": Answer(text="x" * 600_000, usage=USAGE, request_id="req-1"),
    "three bytes a character": Answer(text="校" * 200_000, usage=USAGE, request_id="req-1"),
    "escaped": Answer(text="\x01" * 100_000, usage=USAGE, request_id="req-1"),
    "sources": Answer(
        text="short",
        usage=USAGE,
        request_id="req-1",
        sources=tuple(
            Source(number=n, url=f"https://a.b/{n}", title="t" * 6_000) for n in range(100)
        ),
    ),
}


@pytest.mark.parametrize("paid", TOO_LARGE.values(), ids=TOO_LARGE)
def test_an_answer_larger_than_a_fact_is_paid_once_booked_and_parked(paid):
    bench, facts = told(asks("draft"), paid)
    [failed] = only(facts, CallFailed)
    assert len(bench.model.asked) == 1
    assert failed.cost_usd > 0
    assert failed.request_id == "req-1"
    assert only(facts, StageFailed)[0].code == failed.code
    assert not only(facts, CallAbandoned)


def test_text_no_store_can_hold_is_cleaned_and_paid_once():
    bench, facts = told(asks("draft"), Answer(text=f"a\0b{LONE}c", usage=USAGE))
    assert len(bench.model.asked) == 1
    assert only(facts, CallSettled)[0].text == "abc"
    assert only(facts, StageCompleted)[0].output == "abc"


def test_a_model_name_no_store_can_hold_is_still_booked():
    odd = Answer(text="fine", usage=USAGE.model_copy(update={"model": f"x{LONE}"}))
    bench, facts = told(asks("draft"), odd)
    assert len(bench.model.asked) == 1
    assert only(facts, StageCompleted)
    assert only(facts, CallSettled)[0].cost_usd > 0


def test_a_request_id_no_store_can_hold_is_still_booked():
    bench, facts = told(asks("draft"), Answer(text="fine", usage=USAGE, request_id=f"r{LONE}"))
    assert len(bench.model.asked) == 1
    assert only(facts, StageCompleted)


def test_an_answer_of_a_model_without_a_price_costs_what_the_asked_one_costs():
    renamed = Answer(text="fine", usage=USAGE.model_copy(update={"model": "brand-new-5"}))
    _, priced = told(asks("draft"), answer())
    _, facts = told(asks("draft"), renamed)
    assert only(facts, CallSettled)[0].cost_usd == only(priced, CallSettled)[0].cost_usd > 0


# --- what a stage makes of it -----------------------------------------------------------------


@pytest.mark.parametrize("where", ["output", "summary", "warnings", "sources"])
def test_a_lone_surrogate_out_of_an_escape_completes_the_stage_all_the_same(where):
    async def unescapes(desk: Desk) -> Work:
        got = await desk.ask("draft", ask("draft", desk), asking="Asking")
        text = json.loads(got.text)
        values = {"output": text, "summary": text, "warnings": (text,), "sources": ()}
        if where == "sources":
            values["sources"] = (
                Source(number=1, url="https://a.b").model_copy(update={"title": text}),
            )
        return Work(**{"output": "o", "summary": "s", where: values[where]})

    bench, facts = told(unescapes, Answer(text='"a\\ud83d"', usage=USAGE))
    assert len(bench.model.asked) == 1
    assert only(facts, StageCompleted)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), LONE, 10**400])
def test_no_value_in_a_progress_line_fails_the_stage(value):
    async def says(desk: Desk) -> Work:
        await desk.say(f"Half done {LONE}", data={"value": value})
        return await asks("draft")(desk)

    _, facts = told(says)
    assert only(facts, StageCompleted)
    assert any(line.message.startswith("Half done") for line in only(facts, Progressed))


def test_an_output_larger_than_a_fact_says_so_and_is_not_paid_again():
    async def long_winded(desk: Desk) -> Work:
        await asks("draft")(desk)
        return Work(output="x" * 600_000, summary="Done")

    bench, facts = told(long_winded)
    [failed] = only(facts, StageFailed)
    assert failed.code == "too_large"
    assert len(bench.model.asked) == 1


# --- what the log does ------------------------------------------------------------------------


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


def test_bills_and_names_cover_everything_that_was_asked():
    bench, _ = told(asks("one", "two"), TOO_LARGE["ascii"], answer())

    async def book() -> list[Recorded]:
        return await bench.recorded()

    found = ledger(lived(book()))
    assert len(found.bills) + len(found.unconfirmed) == len(bench.model.asked)
