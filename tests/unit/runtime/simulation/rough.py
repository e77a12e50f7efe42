"""The log, the media store and a delivery as a process far away sees them: slow, unsure, now and
then away. What was handed over is stored or not whether or not anybody still waits for the answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.domain.events import CallAbandoned, CallStarted, StageStarted
from shared.domain.upcast import encode
from shared.errors import LogError, LogUnavailable, TooLarge, Unconfirmed
from shared.eventlog import MAX_FACT_BYTES, History
from tests.unit.runtime.simulation.process import Dead

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from shared.domain.events import Fact, Recorded, StageRequested
    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage
    from shared.eventlog import Append, CallJournal, LogState, Stored
    from tests.unit.runtime.simulation.durable import Loan
    from tests.unit.runtime.simulation.process import Process
    from tests.unit.runtime.simulation.world import World


class RoughLog:
    """An `EventLog` for one delivery in one process; it notices what an overtaken one may not
    do."""

    def __init__(self, world: World, process: Process, run: int) -> None:
        self._world = world
        self._process = process
        self._run = run
        self._mine = 0
        self._shown = 0

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        await self._away("read")
        history = await self._world.memory.read(ref, calls)
        lags = self._world.dice.chance(self._world.weather.lags)
        if lags:
            history = _earlier(history, self._world.dice.number(0, 4))
        await self._world.network()
        await self._process.turn()
        if not lags:
            self._shown = max(self._shown, _delivery(history.calls, self._run))
        return history

    async def last(self, ref: PostRef) -> Recorded | None:
        await self._away("last")
        last = await self._world.memory.last(ref)
        await self._world.network()
        await self._process.turn()
        return last

    async def say(self, ref: PostRef, line: Fact) -> None:
        await self._process.turn()
        await self._world.network()
        await self._process.turn()
        await self._world.memory.say(ref, line)

    async def append(self, append: Append) -> tuple[int, ...]:
        await self._process.turn()
        dice, weather = self._world.dice, self._world.weather
        facts = "+".join(fact.type for fact in append.facts)  # type: ignore[attr-defined]
        self._looked_at(append)
        if dice.chance(weather.dies):
            self._dies(f"before {facts}")
        if dice.chance(weather.unconfirmed):
            await self._unsure(append, facts)
        landing = self._world.spawn(self._world.arrives(append, self._process.name, facts))
        outcome = await asyncio.shield(landing)
        if dice.chance(weather.dies):
            self._dies(f"after {facts}")
        await self._world.network()
        await self._process.turn()
        if isinstance(outcome, BaseException):
            raise outcome
        if isinstance(append.facts[0], StageStarted):
            self._mine = append.facts[0].delivery
        return outcome

    def _looked_at(self, append: Append) -> None:
        """What is too large is never sent. A worker that was shown a newer delivery than its own
        claims nothing more, and takes nobody for dead."""
        if any(len(encode(fact)) > MAX_FACT_BYTES for fact in append.facts):
            raise TooLarge("too large")
        fact = append.facts[0]
        takes = isinstance(fact, CallStarted) or (
            isinstance(fact, CallAbandoned) and fact.reason == "ambiguous after crash"
        )
        if takes and 0 < self._mine < self._shown:
            self._world.escaped.append(
                f"{self._process.name}: {fact} by delivery {self._mine}, after {self._shown}"
            )

    async def _unsure(self, append: Append, facts: str) -> None:
        """The answer is lost; the message too, or it arrives at once, or much later."""
        dice = self._world.dice
        fate = dice.pick(["lost", "stored", "late"])
        self._world.tell(self._process.name, f"unconfirmed ({fate}) {facts}")
        after = dice.between(0.0, 30.0) if fate == "late" else 0.0
        landing = None
        if fate != "lost":
            work = self._world.arrives(append, self._process.name, facts, after)
            landing = self._world.spawn(work)
        if fate == "stored" and landing is not None:
            await asyncio.shield(landing)
        await self._world.network()
        await self._process.turn()
        raise Unconfirmed(fate)

    async def _away(self, what: str) -> None:
        await self._process.turn()
        dice, weather = self._world.dice, self._world.weather
        if dice.chance(weather.freezes):
            seconds = dice.between(5.0, 120.0)
            self._world.tell(self._process.name, f"freezes for {seconds:.0f} s at {what}")
            self._process.freeze(seconds)
        await self._world.network()
        await self._process.turn()
        if dice.chance(weather.away):
            raise LogUnavailable("away")

    def _dies(self, where: str) -> None:
        self._world.tell(self._process.name, f"dies {where}")
        self._process.die()
        raise Dead

    def tail(self, after: int) -> AsyncIterator[Sequence[Stored]]:
        raise NotImplementedError

    async def state(self) -> LogState:
        raise NotImplementedError

    def story(self, ref: PostRef) -> AsyncIterator[Stored]:
        raise NotImplementedError

    async def stored(self, seq: int) -> Stored | None:
        raise NotImplementedError


class RoughPostLog(RoughLog):
    """A `PostLog` for one process of the gateway, as far as posts are changed and deleted by it."""

    def __init__(self, world: World, process: Process) -> None:
        super().__init__(world, process, run=0)

    async def calls(self, ref: PostRef) -> CallJournal:
        await self._away("calls")
        journal = await self._world.memory.calls(ref)
        await self._world.network()
        await self._process.turn()
        return journal

    async def append_all(self, appends: Sequence[Append]) -> tuple[tuple[int, ...], ...]:
        raise NotImplementedError

    async def newest(self, subject: str) -> Stored | None:
        raise NotImplementedError

    async def latest(self, subjects: Sequence[str]) -> Mapping[str, Stored]:
        await self._away("latest")
        found = await self._world.memory.latest(subjects)
        await self._world.network()
        await self._process.turn()
        return found


def _delivery(calls: Sequence[Recorded], run: int) -> int:
    newest = (
        fact.delivery for _, fact in calls if isinstance(fact, StageStarted) and fact.run == run
    )
    return max(newest, default=0)


def _earlier(history: History, facts: int) -> History:
    """As a replica shows it that has not heard of the last few facts."""
    known = sorted((*history.flow, *history.calls))
    if not facts or not known:
        return history
    end = known[-min(facts, len(known))].seq
    flow = tuple(each for each in history.flow if each.seq < end)
    calls = tuple(each for each in history.calls if each.seq < end)
    return History(history.ref, flow, calls)


class RoughMedia:
    """A `Media` for one process."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    async def put(self, name: str, data: bytes) -> None:
        await self._away()
        await self._world.media.put(name, data)

    async def get(self, name: str) -> bytes | None:
        await self._away()
        return await self._world.media.get(name)

    async def remove(self, prefix: str) -> int:
        await self._away()
        return await self._world.media.remove(prefix)

    async def _away(self) -> None:
        await self._process.turn()
        await self._world.network()
        await self._process.turn()
        if self._world.dice.chance(self._world.weather.away):
            raise LogUnavailable("away")


class RoughDelivery:
    """A `Delivery` for one process: each loan of one request."""

    def __init__(self, world: World, process: Process, loan: Loan) -> None:
        self._world = world
        self._process = process
        self._loan = loan
        self.ref: PostRef = loan.ref
        self.seq: int = loan.seq
        self.request: StageRequested = loan.request

    async def still_working(self) -> None:
        await self._process.turn()
        await self._world.network()
        if self._world.dice.chance(self._world.weather.beats_lost):
            raise LogUnavailable("no answer")
        self._loan.prolong()
        await self._world.network()
        await self._process.turn()

    async def ack(self) -> None:
        await self._process.turn()
        await self._world.network()
        if not self._world.dice.chance(self._world.weather.acks_lost):
            self._loan.settle()

    async def hand_back(self, delay: float = 0.0) -> None:
        await self._process.turn()
        await self._world.network()
        if not self._world.dice.chance(self._world.weather.acks_lost):
            self._loan.hand_back(delay)


async def landed(world: World, append: Append) -> tuple[int, ...] | LogError:
    """What the log answers, as a value: the answer may be read by nobody."""
    try:
        return await world.memory.append(append)
    except LogError as error:
        return error
