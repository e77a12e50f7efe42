"""Waits until every post is complete and projected, and fails at once when one cannot be."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOK_EVERY_S = 0.05
COUNTS = """select count(*), count(completed_at),
    count(*) filter (where current_stage = 'failed'), coalesce((select seq from position), 0)
from posts"""


class PostFailed(GalleyError):
    """A pipeline that can only succeed has failed: figures would mean nothing."""


class Counts(NamedTuple):
    """What the read model holds; `position` is how much of the log it has seen."""

    posts: int
    complete: int
    failed: int
    position: int


class Rows:
    """The read model, looked at from outside."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def counts(self) -> Counts:
        row = await self._connection.fetchrow(COUNTS)
        return Counts(*row) if row else Counts(0, 0, 0, 0)

    async def all_complete(self, count: int) -> Counts:
        """Wait for so many complete posts. Raises `PostFailed`."""
        while True:
            found = await self.counts()
            if found.failed:
                raise PostFailed(f"{found.failed} of {found.posts} posts failed")
            if found.complete >= count:
                return found
            await asyncio.sleep(LOOK_EVERY_S)

    async def reached(self, seq: int) -> None:
        """Wait until the log is projected up to there."""
        while (await self.counts()).position < seq:
            await asyncio.sleep(LOOK_EVERY_S)


@asynccontextmanager
async def open_rows(dsn: str) -> AsyncIterator[Rows]:
    connection = await asyncpg.connect(dsn)
    try:
        yield Rows(connection)
    finally:
        await connection.close()
