"""What was told between two sequences: from rows as far as they go, then from the log itself.

The projector's position is read first; rows up to it never change any more, so pages read one after
another are one history.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from services.gateway.rows import ReadModelAway
from services.gateway.streams.frames import of_entry
from shared.domain.events import Recorded
from shared.domain.journal import journal
from shared.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from uuid import UUID

    from services.gateway.rows import ReadModel
    from services.gateway.streams.frames import Frame
    from shared.domain.journal import Entry
    from shared.eventlog import EventLog, Stored

_PAGE = 500
_FARTHEST = 100_000
"""So many messages are read from the log for one client at most, when rows cannot help."""
_AT_ONCE = 8


class Past:
    def __init__(
        self,
        events: EventLog,
        rows: ReadModel,
        tenant: str,
        farthest: int = _FARTHEST,
        reading: asyncio.Semaphore | None = None,
    ) -> None:
        self._farthest = farthest
        self._events = events
        self._rows = rows
        self._tenant = tenant
        self._reading = reading or asyncio.Semaphore(_AT_ONCE)

    def of(self, tenant: str) -> Past:
        """The same of another tenant; all of them together read no more at once."""
        return Past(self._events, self._rows, tenant, self._farthest, self._reading)

    async def frames(
        self, post: UUID | None, after: int, until: int
    ) -> AsyncGenerator[Sequence[Frame]]:
        """Every event after one sequence up to another, as clients see them."""
        async for told in self.entries(post, after, until):
            yield [of_entry(owner, entry) for owner, entry in told]

    async def entries(
        self, post: UUID | None, after: int, until: int
    ) -> AsyncGenerator[Sequence[tuple[UUID, Entry]]]:
        """Every entry after one sequence up to another, in pages. Raises `LogUnavailable`."""
        projected = min(await self._projected(), until)
        while after < projected:
            page = await self._rows.told(self._tenant, post, after, projected, _PAGE)
            yield page
            after = page[-1][1].seq if len(page) == _PAGE else projected
        if after < until:
            async for told in self._from_log(post, after, until):
                yield told

    async def _projected(self) -> int:
        try:
            return await self._rows.position()
        except ReadModelAway:
            return 0

    async def _from_log(
        self, post: UUID | None, after: int, until: int
    ) -> AsyncGenerator[Sequence[tuple[UUID, Entry]]]:
        if until - after > self._farthest:
            raise LogUnavailable("too much has happened since to be read without the read model")
        async with self._reading, aclosing(self._tail(after)) as tail:
            async for batch in tail:
                yield self._told(batch, post, until)
                after = batch[-1].seq if batch else after
                if after >= until or (not batch and await self._purged(after, until)):
                    return

    def _tail(self, after: int) -> AsyncGenerator[Sequence[Stored]]:
        return cast("AsyncGenerator[Sequence[Stored]]", self._events.tail(after))

    def _told(
        self, batch: Sequence[Stored], post: UUID | None, until: int
    ) -> list[tuple[UUID, Entry]]:
        found = []
        for stored in batch:
            entry = self._entry(stored, post) if stored.seq <= until else None
            if stored.ref is not None and entry is not None:
                found.append((stored.ref.id, entry))
        return found

    def _entry(self, stored: Stored, post: UUID | None) -> Entry | None:
        if stored.fact is None or stored.ref is None or stored.ref.tenant != self._tenant:
            return None
        if post is not None and stored.ref.id != post:
            return None
        return journal(Recorded(stored.seq, stored.fact))

    async def _purged(self, after: int, until: int) -> bool:
        """Silence, because what is missing was purged and not because the log is slow."""
        for seq in range(until, after, -1):
            if await self._events.stored(seq) is not None:
                return False
        return True
