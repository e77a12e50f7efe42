"""The read model as tests use it: rows as plain tuples, a projector at work, waiting for events."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from services.projector.batches import Batches
from services.projector.runner import Pace, Projector
from services.projector.store import Store, open_store
from shared.runtime.health import Pulse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from shared.eventlog import EventLog, Stored
    from tests.unit.projector.tape import Tape

BRISK = Pace(standby_s=0.02, again_s=0.02, backoff_s=0.01, longest_backoff_s=0.05, measure_s=0.02)
TABLES = {
    "posts": "id",
    "contents": "post_id, stage",
    "entries": "seq",
    "calls": "post_id, stage, run, key, attempt",
    "quarantine": "seq",
}


class Reading:
    """Questions to the read model."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def one(self, question: str, *values: object) -> tuple[Any, ...]:
        """The only row."""
        (row,) = await self.all(question, *values)
        return row

    async def value(self, question: str, *values: object) -> Any:
        """The only column of the only row."""
        (value,) = await self.one(question, *values)
        return value

    async def all(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self._connection.fetch(question, *values)]

    async def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the read model."""
        return {
            table: await self.all(f"select * from {table} order by {key}")  # noqa: S608
            for table, key in TABLES.items()
        }

    async def empty(self) -> None:
        await self._connection.execute(f"truncate {', '.join(TABLES)}, position")


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose backend is gone afterwards: many in a row never fill the server."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def applied(dsn: str, *batches: Sequence[Stored]) -> None:
    """Write these batches, from wherever the position stands, with nothing remembered between."""
    async with connected(dsn) as connection:
        store = Store(connection)
        for batch in batches:
            position = await store.position() or await store.begin("tape")
            await Batches(store, position, remembered=0).apply(batch)


def projector(dsn: str, tape: Tape, pace: Pace = BRISK) -> Projector:
    """A projector that reads this tape."""
    pulse = Pulse(asyncio.get_running_loop().time)
    return Projector(cast("EventLog", tape), partial(open_store, dsn), pulse, pace)


@asynccontextmanager
async def running(dsn: str, tape: Tape, pace: Pace = BRISK) -> AsyncIterator[Projector]:
    """A projector at work; when the context ends it is drained."""
    working = projector(dsn, tape, pace)
    task = asyncio.create_task(working.run())
    try:
        yield working
    finally:
        working.stop()
        await asyncio.wait_for(task, 10)


async def until(true: Callable[[], bool]) -> None:
    """Let everybody else work until it is so; the test's own time limit ends a vain wait."""
    while not true():
        await asyncio.sleep(0.005)
