"""Brings the read model's tables up to date: every numbered file is applied once, all or none.

Safe to repeat and to start twice at the same moment: who comes second waits, then finds nothing
to do.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

_APPLIED = """
create table if not exists migrations (
    number int primary key, digest text not null, applied_at timestamptz not null default now()
)"""
_RECORD = "insert into migrations (number, digest) values ($1, $2)"
_LOCK = "select pg_advisory_xact_lock(hashtext('galley.migrations'), hashtext(current_schema()))"


class Migration(NamedTuple):
    """One numbered file of SQL."""

    number: int
    sql: str

    @property
    def digest(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def shipped() -> tuple[Migration, ...]:
    """The migrations that come with this code, in order."""
    found = (file for file in files(__package__).joinpath("migrations").iterdir())
    return tuple(
        sorted(
            Migration(int(file.name.split("_")[0]), file.read_text(encoding="utf-8"))
            for file in found
            if file.name.endswith(".sql")
        )
    )


async def migrate(target: str | asyncpg.Connection) -> None:
    """Apply what is missing to the first schema on the search path of `target`.

    Raises `Misconfigured` when a migration was changed after it had been applied.
    """
    if isinstance(target, str):
        connection = await asyncpg.connect(target)
        try:
            await _apply(connection, shipped())
        finally:
            await connection.close()
    else:
        await _apply(target, shipped())


async def _apply(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> None:
    async with connection.transaction():
        await connection.execute(_LOCK)
        await connection.execute(_APPLIED)
        rows = await connection.fetch("select number, digest from migrations")
        known = {int(row["number"]): str(row["digest"]) for row in rows}
        for migration in migrations:
            if migration.number not in known:
                await connection.execute(migration.sql)
                await connection.execute(_RECORD, migration.number, migration.digest)
            elif known[migration.number] != migration.digest:
                raise Misconfigured(
                    f"migration {migration.number} was changed after this database had applied it:"
                    " restore the file and write a new one"
                )
