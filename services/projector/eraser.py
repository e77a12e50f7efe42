"""Erases what a deleted post has said: from the log below its tombstone, and from the media store.

What is left to erase is a question to the rows, so nothing is forgotten over a crash, and erasing
again does no harm. A post with calls in flight is visited again until each has ended, since a
worker may still put away a picture; after the longest time a call can take it is done in any case.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

import asyncpg
import structlog

from services.projector.store import surroundings
from shared.domain.events import CallFact, CallStarted, PostCreated, PostDeleted
from shared.domain.subjects import PostRef, slug_subject
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from shared.eventlog import Erasure, PostLog

_log = structlog.get_logger()

EVERY_S = 1.0
AGAIN_S = 30.0
GRACE_S = 3600.0
AT_ONCE = 100

LEFT = "select id, tenant, seq from posts where deleted and erased_at is null order by seq limit $1"
ERASED = "update posts set erased_at = $3 where id = $1 and seq = $2"
FORGET = "delete from quarantine where post_id = $1"


class Removal(Protocol):
    """The part of a media store that the eraser needs."""

    async def remove(self, prefix: str, /, *more: str) -> int: ...


class Doomed(NamedTuple):
    """A deleted post: its tombstone, and the tombstone's sequence."""

    ref: PostRef
    seq: int
    tombstone: PostDeleted


type Pool = asyncpg.Pool[asyncpg.Record]


@dataclass(slots=True, kw_only=True)
class Eraser:
    """`active` says whether this process is the one that erases."""

    events: PostLog
    erasure: Erasure
    media: Removal
    pool: Pool
    active: Callable[[], bool]
    clock: Callable[[], datetime]
    grace_s: float = GRACE_S
    _not_before: dict[PostRef, datetime] = field(default_factory=dict)

    async def run(self) -> None:
        """Erase what there is to erase, every second, until cancelled."""
        while True:
            try:
                if self.active():
                    await self.once()
            except Exception as error:
                if not surroundings(error):
                    raise
                _log.warning("eraser.interrupted", why=f"{type(error).__name__}: {error}")
            await asyncio.sleep(EVERY_S)

    async def once(self) -> int:
        """One round over what is left; how many posts are done with. Raises what is away."""
        doomed = await self._doomed()
        if not doomed:
            return 0
        reached("eraser.found")
        for post in doomed:
            await self._release(post.ref)
            reached("eraser.released")
            count = await self.erasure.erase(post.ref, post.seq)
            reached("eraser.erased")
            _log.info("eraser.erased", post=str(post.ref.id), messages=count)
        await self.media.remove(*(f"{post.ref.id}/" for post in doomed))
        reached("eraser.removed")
        return sum([await self._settled(post) for post in doomed])

    async def _doomed(self) -> list[Doomed]:
        now = self.clock()
        waiting = {ref for ref, due in self._not_before.items() if due > now}
        rows = await self.pool.fetch(LEFT, AT_ONCE + len(waiting))
        refs = [(PostRef(row["tenant"], row["id"]), int(row["seq"])) for row in rows]
        found = [await self._tombstone(ref, seq) for ref, seq in refs if ref not in waiting]
        return [each for each in found if each is not None]

    async def _tombstone(self, ref: PostRef, seq: int) -> Doomed | None:
        """Nothing is erased on the word of a row alone."""
        stored = await self.events.stored(seq)
        if stored is not None and stored.ref == ref and isinstance(stored.fact, PostDeleted):
            return Doomed(ref, seq, stored.fact)
        _log.error("eraser.no_tombstone", post=str(ref.id), seq=seq)
        self._later(ref)
        return None

    async def _release(self, ref: PostRef) -> None:
        """Its slug says what it was about. First of all, since the order is erased after this."""
        for _, fact in (await self.events.read(ref)).flow[:1]:
            if isinstance(fact, PostCreated):
                order = fact.config
                subject = slug_subject(ref.tenant, order.profile_id, order.slug)
                claim = await self.events.newest(subject)
                if claim is not None and claim.data == str(ref.id).encode():
                    await self.erasure.release(subject, claim.seq)

    async def _settled(self, post: Doomed) -> bool:
        if self.clock() < post.tombstone.at + timedelta(seconds=self.grace_s):
            ended = await self._ended(post.ref)
            if not ended.issuperset(post.tombstone.open):
                self._later(post.ref)
                return False
        self._not_before.pop(post.ref, None)
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(FORGET, post.ref.id)
            await connection.execute(ERASED, post.ref.id, post.seq, self.clock())
        reached("eraser.settled")
        return True

    async def _ended(self, ref: PostRef) -> set[object]:
        journal = await self.events.calls(ref)
        facts = (fact for _, fact in journal.facts)
        return {
            fact.name
            for fact in facts
            if isinstance(fact, CallFact) and not isinstance(fact, CallStarted)
        }

    def _later(self, ref: PostRef) -> None:
        self._not_before[ref] = self.clock() + timedelta(seconds=AGAIN_S)


@asynccontextmanager
async def erasing(eraser: Eraser) -> AsyncIterator[None]:
    """The eraser works while the context is open; a defect of it is logged and stops nobody."""
    task = asyncio.create_task(eraser.run(), name="eraser")
    task.add_done_callback(_ended_by)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


def _ended_by(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("eraser.stopped", exc_info=error)


@asynccontextmanager
async def rows(dsn: str) -> AsyncIterator[Pool]:
    """A connection for the eraser alone, opened when it is first needed."""
    pool: Pool = asyncpg.create_pool(dsn, min_size=0, max_size=1, timeout=5.0, command_timeout=10.0)
    await pool
    try:
        yield pool
    finally:
        pool.terminate()
