"""Writes a batch's rows and the log position in one transaction, or nothing at all.

The position moves only from where the writer believes it to be, so of two writers one is refused.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from services.projector import statements as sql
from services.projector.projection import UNKNOWN, state_of
from shared.errors import Conflict, LogError
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence
    from uuid import UUID

    from services.projector.rows import Changes
    from shared.domain.post import Post
    from shared.eventlog import Stored

CONNECT_WITHIN_S = 5.0
ANSWER_WITHIN_S = 10.0

SESSION = {
    "application_name": "galley-projector",
    # The position is in the same transaction: what a crash takes back is simply projected again.
    "synchronous_commit": "off",
    # A projector whose machine vanished must not hold the lock for hours.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
FAULTS_OF_FACTS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
"""What Postgres raises because of what a row says, as opposed to how Postgres is."""


class Position(NamedTuple):
    """How far a log is projected: `digest` is that of the message at `seq`."""

    seq: int
    identity: str
    digest: str


def digest_of(stored: Stored) -> str:
    """SHA-256 of a message, subject and data, as hex."""
    return sha256(stored.subject.encode() + b"\n" + stored.data).hexdigest()


def surroundings(error: Exception) -> bool:
    """The cause is Postgres, the log or the way there, not the fact at hand: try again later."""
    if isinstance(error, asyncpg.PostgresError):
        return not isinstance(error, FAULTS_OF_FACTS)
    # A connection that ends while it is being used first can leave the library at odds with itself.
    # A value that asyncpg cannot encode is an InterfaceError and a ValueError at once.
    away = isinstance(
        error, OSError | asyncpg.InterfaceError | asyncpg.InternalClientError | LogError
    )
    return away and not isinstance(error, ValueError)


class Store:
    """The one connection that holds the lock and writes. Not for concurrent use."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def take_lock(self) -> bool:
        """Become the one projector of this schema, for as long as the connection lives."""
        return bool(await self._connection.fetchval(sql.LOCK))

    async def position(self) -> Position | None:
        """None before the first start."""
        row = await self._connection.fetchrow(sql.POSITION)
        return Position(*row) if row else None

    async def begin(self, identity: str) -> Position:
        """Stand at the beginning of this log."""
        await self._connection.execute(sql.BEGIN, identity)
        return Position(0, identity, "")

    async def states(self, posts: Collection[UUID]) -> dict[UUID, Post]:
        """The folds of those posts that have a row."""
        if not posts:
            return {}
        rows = await self._connection.fetch(sql.STATES, posts)
        return {row["id"]: state_of(row["state"]) for row in rows}

    async def write(self, changes: Changes, before: Position, after: Position) -> None:
        """All of it, and the position. Raises `Conflict` when the position is not at `before`."""
        async with self._connection.transaction():
            moved = await self._connection.execute(
                sql.MOVE, before.seq, before.identity, after.seq, after.digest
            )
            if moved != "UPDATE 1":
                raise Conflict("another projector has moved the position")
            await self._remove(changes)
            await self._put(changes)
            reached("projector.unwritten")
        reached("projector.written")

    async def _remove(self, changes: Changes) -> None:
        if changes.cleared:
            await self._connection.execute(sql.CLEAR, changes.cleared)
        if changes.erased:
            await self._connection.execute(sql.ERASE, changes.erased)
            await self._connection.execute(sql.FORGET, changes.erased)

    async def _put(self, changes: Changes) -> None:
        await self._rows(sql.POSTS, changes.posts)
        await self._rows(sql.CONTENTS, changes.contents)
        await self._rows(sql.ENTRIES, changes.entries)
        await self._rows(sql.CALLS, changes.calls)
        await self._rows(sql.NOTICES, changes.notices)
        await self._rows(sql.QUARANTINE, changes.quarantine)
        await self._rows(sql.DAMAGED, changes.damaged, UNKNOWN)

    async def _rows(
        self, statement: str, rows: Sequence[tuple[object, ...]], *more: object
    ) -> None:
        if rows:
            await self._connection.execute(statement, *zip(*rows, strict=True), *more)


@asynccontextmanager
async def open_store(dsn: str) -> AsyncIterator[Store]:
    """A store on a connection of its own; closing it gives the lock back."""
    connection = await asyncpg.connect(
        dsn,
        timeout=CONNECT_WITHIN_S,
        command_timeout=ANSWER_WITHIN_S,
        server_settings=SESSION,
    )
    try:
        yield Store(connection)
    finally:
        connection.terminate()
