"""One tail of the log per process, fanned out to every stream through bounded queues.

Who joins gets everything after the sequence it was told, in order, without gap or duplicate, or is
cut: whoever reads too slowly loses its stream, never a part of it, and can resume. The streams of a
post end when it is deleted.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Protocol

import structlog

from services.gateway.streams.drafts import Drafts, may_end_a_text
from services.gateway.streams.frames import Frame, of_entry
from shared.domain.events import PostDeleted, Recorded
from shared.domain.journal import journal
from shared.domain.values import ORDER
from shared.errors import LogError, LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from shared.domain.subjects import PostRef
    from shared.eventlog import EventLog, Live, LogState, Stored, Tokens

log = structlog.get_logger()

_CAPACITY = 1_000
_PAUSE_S = 0.5

type _Watched = tuple[str, UUID | None]
"""A post, or all posts of a tenant."""


class Beside(Protocol):
    """Who wants to know what is stored beside the posts."""

    def heard(self, subject: str) -> None: ...

    def anew(self) -> None:
        """It is the first sight of a log, or another log than before."""
        ...


class _Nobody:
    def heard(self, subject: str) -> None: ...

    def anew(self) -> None: ...


class Subscription:
    """What one client has still to be sent: events after `joined`, and the texts being written."""

    def __init__(self, joined: int, drafts: Sequence[Frame], capacity: int) -> None:
        self.joined = joined
        self.drafts = tuple(drafts)
        self.over = asyncio.Event()
        self._queue: asyncio.Queue[Frame] = asyncio.Queue(capacity)

    async def next(self) -> list[Frame]:
        """At least one event: everything that waits."""
        frames = [await self._queue.get()]
        while not self._queue.empty():
            frames.append(self._queue.get_nowait())
        return frames

    def offer(self, frame: Frame) -> None:
        """Queue an event; a full queue ends the stream, unless the event is dispensable."""
        if frame.seq is None and self._queue.qsize() > self._queue.maxsize // 2:
            return
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.over.set()


class Feed:
    def __init__(
        self,
        events: EventLog,
        live: Live,
        *,
        beat: Callable[[], None] = lambda: None,
        beside: Beside | None = None,
        capacity: int = _CAPACITY,
    ) -> None:
        self._events = events
        self._live = live
        self._beat = beat
        self._beside = beside or _Nobody()
        self._capacity = capacity
        self._identity: str | None = None
        self._position: int | None = None
        self._moved = asyncio.Event()
        self._drafts = defaultdict[str, Drafts](Drafts)
        self._watching: dict[_Watched, set[Subscription]] = {}
        self._closed = False

    @property
    def position(self) -> int | None:
        """The last sequence seen; None until the log has been reached."""
        return self._position

    def join(self, tenant: str, post: UUID | None) -> Subscription:
        """Everything from now on of one post, or of all of a tenant.

        Raises `LogUnavailable` before the first sight of the log and once the gateway is closing.
        """
        if self._position is None or self._closed:
            raise LogUnavailable("the gateway does not follow the log now")
        drafts = self._drafts[tenant].of(post, ORDER) if post is not None else ()
        subscription = Subscription(self._position, drafts, self._capacity)
        self._watching.setdefault((tenant, post), set()).add(subscription)
        return subscription

    def leave(self, tenant: str, post: UUID | None, subscription: Subscription) -> None:
        watching = self._watching.get((tenant, post), set())
        watching.discard(subscription)
        if not watching:
            self._watching.pop((tenant, post), None)

    async def reached(self, seq: int) -> None:
        """Wait until the feed has seen this sequence."""
        while self._position is None or self._position < seq:
            await self._moved.wait()

    def close(self) -> None:
        """End every stream; nobody joins any more."""
        self._closed = True
        self._cut_all()

    async def run(self) -> None:
        """Follow the log and the live texts until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="feed")
            tasks.create_task(self._listen(), name="live")

    # --- the log ------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            try:
                await self._tail(self._start(await self._events.state()))
            except LogError as error:
                log.warning("gateway.feed_broken", why=str(error))
            self._beat()
            await asyncio.sleep(_PAUSE_S)

    def _start(self, state: LogState) -> int:
        """Where to go on; in another log than before, at its end and with nobody watching."""
        if self._identity != state.identity or (self._position or 0) > state.last:
            self._cut_all()
            self._identity = state.identity
            self._move(state.last)
            self._beside.anew()
        return self._position or 0

    async def _tail(self, after: int) -> None:
        async for batch in self._events.tail(after):
            self._beat()
            for stored in batch:
                self._tell(stored)
            if batch:
                self._move(batch[-1].seq)

    def _tell(self, stored: Stored) -> None:
        """Pass one message on. The position moves with it: who joins next misses nothing."""
        self._position = stored.seq
        if stored.ref is None:
            self._beside.heard(stored.subject)
            return
        ref, watched = stored.ref, self._watched(stored.ref)
        # Most messages end no text and are watched by nobody: those are not even decoded.
        if not (watched or may_end_a_text(stored.subject)) or stored.fact is None:
            return
        self._drafts[ref.tenant].ended(ref.id, stored.fact)
        if isinstance(stored.fact, PostDeleted):
            self._cut((ref.tenant, ref.id))
        entry = journal(Recorded(stored.seq, stored.fact)) if watched else None
        if entry is not None:
            self._send(of_entry(ref.id, entry), (ref.tenant, ref.id), (ref.tenant, None))

    def _watched(self, ref: PostRef) -> bool:
        return (ref.tenant, ref.id) in self._watching or (ref.tenant, None) in self._watching

    def _move(self, seq: int) -> None:
        self._position = seq
        self._moved.set()
        self._moved = asyncio.Event()

    # --- live texts ---------------------------------------------------------------------------

    async def _listen(self) -> None:
        while True:
            try:
                async with self._live.subscribe() as pieces:
                    async for ref, piece in pieces:
                        self._hear(ref, piece)
            except LogError as error:
                log.warning("gateway.live_broken", why=str(error))
            await asyncio.sleep(_PAUSE_S)

    def _hear(self, ref: PostRef, piece: Tokens) -> None:
        frame = self._drafts[ref.tenant].take(ref.id, piece)
        if frame is not None:
            self._send(frame, (ref.tenant, ref.id))

    # --- the streams --------------------------------------------------------------------------

    def _send(self, frame: Frame, *watched: _Watched) -> None:
        for post in watched:
            for subscription in self._watching.get(post, ()):
                subscription.offer(frame)

    def _cut_all(self) -> None:
        for watched in self._watching:
            self._cut(watched)

    def _cut(self, watched: _Watched) -> None:
        for subscription in self._watching.get(watched, ()):
            subscription.over.set()
