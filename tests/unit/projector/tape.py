"""A log on a tape: what the projector reads, message by message, as wrong as a test wants it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.domain.events import FlowFact, Recorded
from shared.domain.subjects import MAIN, PostRef, subject_of
from shared.domain.upcast import decode, encode
from shared.eventlog import LogState, Reading, Stored

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from uuid import UUID

    from shared.domain.events import PostEvent

STORED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def taped(history: Iterable[Recorded]) -> list[Stored]:
    """These facts as they come off the wire: encoded, decoded, at their subjects."""
    numbers: dict[UUID, int] = {}
    return [_message(recorded, numbers) for recorded in history]


def _message(recorded: Recorded, numbers: dict[UUID, int]) -> Stored:
    seq, fact = recorded
    n = numbers.get(fact.post_id, 0)
    if isinstance(fact, FlowFact):
        numbers[fact.post_id] = n + 1
    return message(seq, fact, n)


def message(seq: int, fact: PostEvent, n: int = 0) -> Stored:
    ref, data = PostRef(MAIN, fact.post_id), encode(fact)
    return Stored(
        seq=seq,
        subject=subject_of(ref, fact, n),
        data=data,
        ref=ref,
        read=lambda: Reading(decode(fact.type, fact.VERSION, data)),
        stored_at=STORED_AT,
    )


def unreadable(stored: Stored, problem: str = "no JSON", *, too_new: bool = False) -> Stored:
    return replace(stored, read=lambda: Reading(None, problem, too_new))


class Tape:
    """As much of an EventLog as the projector uses. What is recorded is followed by every tail."""

    def __init__(self, messages: Sequence[Stored] = (), *, identity: str = "tape") -> None:
        self.identity = identity
        self.messages = list(messages)
        self.batch = 500
        self._grown = asyncio.Condition()

    async def record(self, *messages: Stored) -> None:
        async with self._grown:
            self.messages.extend(messages)
            self._grown.notify_all()

    async def state(self) -> LogState:
        last = self.messages[-1].seq if self.messages else 0
        return LogState(identity=self.identity, first=1, last=last)

    async def stored(self, seq: int) -> Stored | None:
        return next((each for each in self.messages if each.seq == seq), None)

    async def tail(self, after: int) -> AsyncIterator[Sequence[Stored]]:
        while True:
            batch = await self._next(after)
            after = batch[-1].seq
            yield batch

    async def _next(self, after: int) -> list[Stored]:
        async with self._grown:
            await self._grown.wait_for(lambda: any(each.seq > after for each in self.messages))
            return [each for each in self.messages if each.seq > after][: self.batch]
