"""Keeps the rows level with the log: one projector works, others stand by, none stops in silence.

A fact that cannot be projected is set aside and the rest goes on. A fact newer than this code stops
the position in front of it and gives the lock back, so that newer code can take over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from services.projector.batches import Batches
from services.projector.store import Store, digest_of, surroundings
from shared.errors import ForeignLog, LogUnavailable, TooNew
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.projector.store import Position
    from shared.eventlog import EventLog, LogState, Stored
    from shared.runtime.health import Pulse

type OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
type Role = Literal["connecting", "standby", "projecting", "stopped"]

_log = structlog.get_logger()

UNREACHED = "has not reached Postgres yet"
CURE = "refusing to mix them: give me an empty database, and I make the rows of this log"
BUSY = 10
"""A batch of so many messages: more of them are on their way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long to wait for what, in seconds; how many messages behind is no longer ready."""

    standby_s: float = 1.0
    again_s: float = 3.0
    backoff_s: float = 0.2
    longest_backoff_s: float = 8.0
    measure_s: float = 5.0
    pile_up_s: float = 0.02
    most_behind: int = 10_000
    remembered: int = 2_000


class Projector:
    """One process's share in projecting the log. `role` and `position` are for people."""

    def __init__(
        self, events: EventLog, open_store: OpenStore, pulse: Pulse, pace: Pace | None = None
    ) -> None:
        self._events = events
        self._open_store = open_store
        self._pulse = pulse
        self._pace = pace or Pace()
        self._stopping = asyncio.Event()
        self._trouble: str | None = UNREACHED
        self._log_trouble: str | None = None
        self._end = 0
        self.role: Role = "connecting"
        self.position = 0

    def stop(self) -> None:
        """Finish the batch at hand, then return from `run`."""
        self._stopping.set()

    def trouble(self) -> str | None:
        """Why this process cannot do its share now."""
        return self._trouble or self._log_trouble

    def behind(self) -> str | None:
        """Why the rows count as too old; a standby does not answer for that."""
        lag = self._end - self.position
        if self.role != "projecting" or lag <= self._pace.most_behind:
            return None
        return f"{lag} messages behind the log"

    async def run(self) -> None:
        """Project until stopped, through every outage. Raises `ForeignLog`: then nothing helps."""
        while not self._stopping.is_set():
            try:
                await self._session()
            except ForeignLog:
                raise
            except Exception as error:
                if not surroundings(error):
                    raise
                self._say(error)
                await self._wait(self._pace.again_s)
        self.role = "stopped"

    async def _session(self) -> None:
        async with AsyncExitStack() as stack:
            self.role = "connecting"
            store = await self._connected(stack)
            if await self._locked(store):
                await self._follow(store)

    async def _connected(self, stack: AsyncExitStack) -> Store:
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._worth_repeating),
            wait=wait_random_exponential(self._pace.backoff_s, self._pace.longest_backoff_s),
            before_sleep=self._failed,
            sleep=self._wait,
            reraise=True,
        )
        return await retrying(self._entered, stack)

    async def _entered(self, stack: AsyncExitStack) -> Store:
        return await stack.enter_async_context(self._open_store())

    def _worth_repeating(self, error: BaseException) -> bool:
        away = isinstance(error, Exception) and surroundings(error)
        return away and not self._stopping.is_set()

    def _failed(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if error is not None:
            self._say(error)

    async def _locked(self, store: Store) -> bool:
        """Wait for the lock; False when stopped meanwhile."""
        while not await store.take_lock():
            if self.role != "standby":
                _log.info("projector.standby")
            self.role, self._trouble = "standby", None
            await self._wait(self._pace.standby_s)
            if self._stopping.is_set():
                return False
        return True

    async def _follow(self, store: Store) -> None:
        batches = Batches(store, await self._verified(store), self._pace.remembered)
        self.role, self.position = "projecting", batches.position.seq
        if self._trouble == UNREACHED:  # any other is over only when a batch has gone through
            self._trouble = None
        _log.info("projector.projecting", after=self.position)
        async with self._measured(), self._tailed(self.position) as arrivals:
            async for batch in arrivals:
                await self._take(batches, batch)

    async def _take(self, batches: Batches, batch: Sequence[Stored]) -> None:
        """Apply the batch as far as this code can read it. Raises `TooNew` at the rest."""
        reached("projector.read")
        newer = next((place for place, each in enumerate(batch) if each.too_new), None)
        await batches.apply(batch[:newer])
        self.position = batches.position.seq
        self._end = max(self._end, self.position)
        if newer is not None:
            raise TooNew(f"message {batch[newer].seq} is too new for me: {batch[newer].problem}")
        self._trouble = None
        self._pulse.beat()

    async def _verified(self, store: Store) -> Position:
        """Where to go on. Raises `ForeignLog` when the rows were not made from this log."""
        position = await store.position()
        state = await self._events.state()
        position = position or await store.begin(state.identity)
        self._end = state.last
        if problem := await self._foreign(position, state):
            raise ForeignLog(f"{problem}; {CURE}")
        return position

    async def _foreign(self, position: Position, state: LogState) -> str:
        if position.identity != state.identity:
            return f"the rows were made from log {position.identity}, this is {state.identity}"
        if position.seq > state.last:
            return f"the rows are at {position.seq}, but this log ends at {state.last}"
        stored = await self._events.stored(position.seq) if position.seq else None
        if stored is not None and digest_of(stored) != position.digest:
            return f"message {position.seq} is not the one the rows were made from"
        return ""

    @asynccontextmanager
    async def _tailed(self, after: int) -> AsyncIterator[AsyncIterator[Sequence[Stored]]]:
        tail = self._events.tail(after)
        arrivals = _ahead(tail, self._stopping, self._pace.pile_up_s)
        try:
            yield arrivals
        finally:
            await arrivals.aclose()
            if isinstance(tail, AsyncGenerator):
                await tail.aclose()

    @asynccontextmanager
    async def _measured(self) -> AsyncIterator[None]:
        """Meanwhile ask the log, now and then, how far it reaches."""
        measuring = asyncio.create_task(self._measure(), name="projector-lag")
        try:
            yield
        finally:
            measuring.cancel()
            await asyncio.wait({measuring})
            if not measuring.cancelled():
                measuring.result()

    async def _measure(self) -> None:
        while True:
            try:
                self._end = (await self._events.state()).last
                self._log_trouble = None
            except LogUnavailable as error:
                self._log_trouble = str(error)
            await asyncio.sleep(self._pace.measure_s)

    def _say(self, error: BaseException) -> None:
        self._trouble = f"{type(error).__name__}: {error}"
        _log.error("projector.interrupted", problem=self._trouble, position=self.position)

    async def _wait(self, seconds: float) -> None:
        """Sleep, but not through the stop. A wait is a turn of the loop, too."""
        self._pulse.beat()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


async def _ahead(
    tail: AsyncIterator[Sequence[Stored]], stopping: asyncio.Event, pause_s: float
) -> AsyncGenerator[Sequence[Stored]]:
    """The tail's batches until stopped; while one is worked on, the next is being fetched.

    Where much is going on it is given `pause_s` to pile up: a post whose row is written once for
    ten facts costs a fraction of one that is written ten times.
    """
    stopped = asyncio.create_task(stopping.wait())
    coming = asyncio.ensure_future(anext(tail))
    try:
        while not stopping.is_set():
            await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.is_set():
                return
            batch = coming.result()
            coming = asyncio.ensure_future(_next(tail, pause_s if len(batch) >= BUSY else 0))
            yield batch
    finally:
        stopped.cancel()
        coming.cancel()
        await asyncio.gather(stopped, coming, return_exceptions=True)


async def _next(tail: AsyncIterator[Sequence[Stored]], pause_s: float) -> Sequence[Stored]:
    await asyncio.sleep(pause_s)
    return await anext(tail)
