"""The log, an inbox, the media store and live text in memory, with the promises of the real ones.

For tests of what stands on them, without a server. Facts go through their stored form, so what does
not survive being written does not survive here. Nothing is delivered again by itself: `redeliver`
says when time is up.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from shared.domain.events import FlowFact, Progressed, Recorded, StageRequested
from shared.domain.subjects import place_of, subject_of
from shared.domain.upcast import decode, encode
from shared.errors import Conflict, ForeignLog, TooLarge
from shared.eventlog import (
    MAX_FACT_BYTES,
    CallJournal,
    History,
    LogState,
    Reading,
    Stored,
    distinct,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from shared.domain.events import Fact, PostEvent
    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage
    from shared.eventlog import Append, Delivery, Tokens

BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
QUIET_S: Final = 0.05
PORTION: Final = 500
WAITING_PIECES: Final = 10_000


class MemoryLog:
    """An `EventLog`. `messages` is everything it holds, in order."""

    def __init__(self, identity: str = "memory") -> None:
        self.messages: list[Stored] = []
        self._identity = identity
        self._last_at: dict[str, int] = {}
        self._said: set[str] = set()
        self.grown = asyncio.Condition()

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        flow = self._under(ref.flow)
        journals = tuple(ref.calls(stage, run).removesuffix(">") for stage, run in calls)
        found = [each for each in self.messages if each.subject.startswith(journals)]
        return History(ref, _recorded(flow), _recorded(found) if journals else ())

    async def last(self, ref: PostRef) -> Recorded | None:
        flow = _recorded(self._under(ref.flow))
        return flow[-1] if flow else None

    async def calls(self, ref: PostRef) -> CallJournal:
        found = self._under(ref.journal)
        return CallJournal(_recorded(found), found[-1].seq if found else 0)

    async def append(self, append: Append) -> tuple[int, ...]:
        (stored,) = await self.append_all([append])
        return stored

    async def append_all(self, appends: Sequence[Append]) -> tuple[tuple[int, ...], ...]:
        distinct(appends)
        told = [_told(append) for append in appends]
        for append, messages in zip(appends, told, strict=True):
            self._check(append, messages)
        stored = tuple(
            tuple(self._store(append.ref, *each) for each in messages)
            for append, messages in zip(appends, told, strict=True)
        )
        await self._grow()
        return stored

    def _check(self, append: Append, told: Sequence[_Told]) -> None:
        if append.after is not None:
            _expect(self._end(append.ref.flow), append.after)
        if append.calls is not None:
            _expect(self._end(append.ref.journal), append.calls)
        for subject, _, expected, _ in told:
            if expected is not None:
                _expect(self._last_at.get(subject, 0), expected)

    async def say(self, ref: PostRef, line: Fact) -> None:
        if not isinstance(line, Progressed):
            raise TypeError(f"only progress lines are said, not {type(line).__name__}")
        words = f"{ref} {line.model_dump_json(exclude={'at'})}"
        data = encode(line)
        if words in self._said or len(data) > MAX_FACT_BYTES:
            return
        self._said.add(words)
        self._store(ref, subject_of(ref, line), data, None, line)
        await self._grow()

    async def tail(self, after: int) -> AsyncIterator[Sequence[Stored]]:
        if after > len(self.messages):
            raise ForeignLog(f"this log ends at {len(self.messages)}, before {after}")
        while True:
            await self._more_than(after)
            batch = self.messages[after : after + PORTION]
            after += len(batch)
            yield batch

    async def state(self) -> LogState:
        first = 1 if self.messages else 0
        return LogState(identity=self._identity, first=first, last=len(self.messages))

    async def story(self, ref: PostRef) -> AsyncIterator[Stored]:
        for stored in self._under(f"{ref.prefix}.>"):
            yield stored

    async def stored(self, seq: int) -> Stored | None:
        return self.messages[seq - 1] if 0 < seq <= len(self.messages) else None

    async def newest(self, subject: str) -> Stored | None:
        return await self.stored(self._last_at.get(subject, 0))

    async def latest(self, subjects: Sequence[str]) -> Mapping[str, Stored]:
        found = {subject: await self.newest(subject) for subject in subjects}
        return {subject: stored for subject, stored in found.items() if stored is not None}

    async def keep(self, subject: str, data: bytes, expected: int) -> int:
        """Store what is no fact of a post, after the message `expected` at its subject."""
        _expect(self._last_at.get(subject, 0), expected)
        seq = self._store(None, subject, data, None, None)
        await self._grow()
        return seq

    def _under(self, subjects: str) -> list[Stored]:
        prefix = subjects.removesuffix(">")
        return [each for each in self.messages if each.subject.startswith(prefix)]

    def _end(self, subjects: str) -> int:
        found = self._under(subjects)
        return found[-1].seq if found else 0

    def _store(
        self,
        ref: PostRef | None,
        subject: str,
        data: bytes,
        _expected: int | None,
        fact: Fact | None,
    ) -> int:
        seq = len(self.messages) + 1
        at = BEGINNING + timedelta(seconds=seq)
        kept = Reading(None if fact is None else _again(fact, data))
        post = None if fact is None else ref
        stored = Stored(
            seq=seq, subject=subject, data=data, ref=post, read=lambda: kept, stored_at=at
        )
        self.messages.append(stored)
        self._last_at[subject] = seq
        return seq

    async def _grow(self) -> None:
        async with self.grown:
            self.grown.notify_all()

    async def _more_than(self, after: int) -> None:
        """Wait for a message after this one, or until it has been quiet for a while."""
        async with self.grown:
            waiting = self.grown.wait_for(lambda: len(self.messages) > after)
            try:
                await asyncio.wait_for(waiting, QUIET_S)
            except TimeoutError:
                return


type _Told = tuple[str, bytes, int | None, Fact | None]


def _told(append: Append) -> list[_Told]:
    """What an append would store: subject, data, the sequence expected there, the fact."""
    n, told = append.n, list[_Told]()
    for fact in append.facts:
        free = isinstance(fact, FlowFact | Progressed)
        told.append((subject_of(append.ref, fact, n), encode(fact), None if free else 0, fact))
        n += isinstance(fact, FlowFact)
    told.extend((other.subject, other.data, other.expected, None) for other in append.also)
    if not _carried(append):
        raise ValueError("an append after a sequence needs a flow fact or a line to carry it")
    for subject, data, _, _ in told:
        if len(data) > MAX_FACT_BYTES:
            raise TooLarge(f"{len(data)} bytes for {subject}")
    return told


def _carried(append: Append) -> bool:
    """What the append expects has something to stand on: a flow fact or a line for the flow, a line
    beside a flow fact for the calls."""
    flow = any(isinstance(fact, FlowFact) for fact in append.facts)
    line = any(isinstance(fact, Progressed) for fact in append.facts)
    return (append.after is None or flow or line) and (append.calls is None or (flow and line))


def _expect(found: int, expected: int) -> None:
    if found != expected:
        raise Conflict(f"somebody wrote first: {found}, not {expected}")


def _again(fact: Fact, data: bytes) -> PostEvent:
    """The fact as a reader will see it."""
    return decode(str(type(fact).model_fields["type"].default), fact.VERSION, data)


def _recorded(found: Sequence[Stored]) -> tuple[Recorded, ...]:
    return tuple(Recorded(each.seq, each.fact) for each in found if each.fact is not None)


class MemoryDelivery:
    """One request on loan. `alive` turned False lets its heartbeats fail."""

    def __init__(self, inbox: MemoryInbox, ref: PostRef, seq: int, request: StageRequested) -> None:
        self._inbox = inbox
        self.ref: Final = ref
        self.seq: Final = seq
        self.request: Final = request
        self.heartbeats = 0

    async def still_working(self) -> None:
        self.heartbeats += 1

    async def ack(self) -> None:
        self._inbox.settled.add(self.seq)

    async def hand_back(self, delay: float = 0.0) -> None:
        self._inbox.handed_back.append((self.seq, delay))
        if delay <= 0:
            self._inbox.redeliver(self.seq)


class MemoryInbox:
    """A stage's requests. `settled` and `handed_back` tell what became of them."""

    def __init__(self, log: MemoryLog, stage: Stage) -> None:
        self._log = log
        self._stage = stage
        self._seen = 0
        self._waiting: list[int] = []
        self._lent: set[int] = set()
        self.settled: set[int] = set()
        self.handed_back: list[tuple[int, float]] = []
        self.too_new: str | None = None

    async def fetch(self, most: int) -> Sequence[Delivery]:
        if not self._arrived():
            async with self._log.grown:
                waiting = self._log.grown.wait_for(self._arrived)
                try:
                    await asyncio.wait_for(waiting, QUIET_S)
                except TimeoutError:
                    return []
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        self._lent.update(taken)
        return [self._delivery(seq) for seq in taken]

    def redeliver(self, *seqs: int) -> None:
        """The time of these loans is up (of all, when none is named): lend them again."""
        over = self._lent.intersection(seqs) if seqs else set(self._lent)
        self._lent -= over
        self._waiting.extend(sorted(over - self.settled))

    def _arrived(self) -> bool:
        for each in self._log.messages[self._seen :]:
            if each.ref is not None and self._is_mine(each):
                self._waiting.append(each.seq)
        self._seen = len(self._log.messages)
        return bool(self._waiting)

    def _is_mine(self, each: Stored) -> bool:
        place = place_of(each.subject)
        return (place.branch, place.stage, place.event) == ("flow", self._stage, "requested")

    def _delivery(self, seq: int) -> MemoryDelivery:
        each = self._log.messages[seq - 1]
        if each.ref is None or not isinstance(each.fact, StageRequested):
            raise TypeError(f"{each.subject} holds no request")
        return MemoryDelivery(self, each.ref, seq, each.fact)


class MemoryMedia:
    """A `Media`. `objects` is everything it holds, by name."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def put(self, name: str, data: bytes) -> None:
        self.objects[name] = bytes(data)

    async def get(self, name: str) -> bytes | None:
        return self.objects.get(name)

    async def remove(self, prefix: str, *more: str) -> int:
        doomed = [name for name in self.objects if name.startswith((prefix, *more))]
        for name in doomed:
            del self.objects[name]
        return len(doomed)


class MemoryLive:
    """A `Live`. `told` is every piece ever published."""

    def __init__(self) -> None:
        self.told: list[tuple[PostRef, Tokens]] = []
        self._listening: set[asyncio.Queue[tuple[PostRef, Tokens]]] = set()

    async def publish(self, ref: PostRef, tokens: Tokens) -> None:
        self.told.append((ref, tokens))
        for waiting in self._listening:
            if not waiting.full():
                waiting.put_nowait((ref, tokens))

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[tuple[PostRef, Tokens]]]:
        waiting: asyncio.Queue[tuple[PostRef, Tokens]] = asyncio.Queue(WAITING_PIECES)
        self._listening.add(waiting)
        try:
            yield _pieces(waiting)
        finally:
            self._listening.discard(waiting)


async def _pieces(
    waiting: asyncio.Queue[tuple[PostRef, Tokens]],
) -> AsyncIterator[tuple[PostRef, Tokens]]:
    while True:
        yield await waiting.get()
