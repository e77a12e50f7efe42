"""The event log on a JetStream server: the promises of `shared.eventlog`, kept."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

from shared.eventlog import distinct
from shared.jetstream.erasure import JetStreamErasure
from shared.jetstream.groups import Groups
from shared.jetstream.inbox import JetStreamInbox
from shared.jetstream.lines import Lines
from shared.jetstream.live import JetStreamLive
from shared.jetstream.media import JetStreamMedia
from shared.jetstream.messages import messages, stored_of
from shared.jetstream.read import Reader
from shared.jetstream.state import state_of
from shared.jetstream.tail import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from shared.domain.events import Fact, Recorded
    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage
    from shared.eventlog import Append, CallJournal, History, LogState, Stored
    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Message

type Trace = Callable[[], str]
"""The `traceparent` of what is being done now; empty for none."""


class JetStreamLog:
    """An `EventLog`. `producer` is the name this process signs its messages with."""

    def __init__(self, connection: Connection, producer: str, trace: Trace | None = None) -> None:
        self._connection = connection
        self._producer = producer
        self._trace = trace or str
        self._reader = Reader(connection)
        self._groups = Groups(connection)
        self._lines = Lines(connection, producer)

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        return await self._reader.read(ref, calls)

    async def last(self, ref: PostRef) -> Recorded | None:
        return await self._reader.last(ref)

    async def calls(self, ref: PostRef) -> CallJournal:
        return await self._reader.journal(ref)

    async def append(self, append: Append) -> tuple[int, ...]:
        (stored,) = await self.append_all([append])
        return stored

    async def append_all(self, appends: Sequence[Append]) -> tuple[tuple[int, ...], ...]:
        keys = distinct(appends)
        told = [self._messages(append) for append in appends]
        together = [message for each in told for message in each]
        if not together:
            return tuple(() for _ in appends)
        first = await self._groups.store(together, keys)
        starts = accumulate(map(len, told), initial=first)
        return tuple(
            tuple(range(start, start + len(each)))
            for start, each in zip(starts, told, strict=False)
        )

    def _messages(self, append: Append) -> list[Message]:
        if not append.facts and not append.also:
            return []
        after = None
        if append.after is not None:
            after = self._reader.fence(append.ref, append.after)
        return messages(append, after, self._producer, self._trace())

    async def say(self, ref: PostRef, line: Fact) -> None:
        await self._lines.say(ref, line, self._trace())

    def tail(self, after: int) -> AsyncIterator[Sequence[Stored]]:
        return follow(self._connection, after)

    async def state(self) -> LogState:
        return await state_of(self._connection)

    async def story(self, ref: PostRef) -> AsyncIterator[Stored]:
        async for item in self._reader.direct.everything(f"{ref.prefix}.>"):
            yield stored_of(item)

    async def stored(self, seq: int) -> Stored | None:
        item = await self._reader.direct.at(seq)
        return None if item is None else stored_of(item)

    async def newest(self, subject: str) -> Stored | None:
        item = await self._reader.direct.last(subject)
        return None if item is None else stored_of(item)

    async def latest(self, subjects: Sequence[str]) -> Mapping[str, Stored]:
        if not subjects:
            return {}
        found = await self._reader.direct.latest(subjects)
        return {item.subject: stored_of(item) for item in found}

    async def close(self) -> None:
        """Let what was handed over be stored."""
        await self._groups.close()


def open_log(connection: Connection, producer: str, trace: Trace | None = None) -> JetStreamLog:
    """The log; what was handed over to it is stored before the connection closes."""
    log = JetStreamLog(connection, producer, trace)
    connection.before_close(log.close)
    return log


def open_inbox(connection: Connection, stage: Stage) -> JetStreamInbox:
    """A stage's inbox; what nobody took of it is handed back before the connection closes."""
    inbox = JetStreamInbox(connection, stage)
    connection.before_close(inbox.close)
    return inbox


def open_media(connection: Connection) -> JetStreamMedia:
    return JetStreamMedia(connection)


def open_erasure(connection: Connection) -> JetStreamErasure:
    return JetStreamErasure(connection)


def open_live(connection: Connection) -> JetStreamLive:
    return JetStreamLive(connection)
