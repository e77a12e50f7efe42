"""A Postgres on a socket in its own data directory, that dies with us.

As root (in a container) it runs as `nobody`, because Postgres refuses root; its data directory is
given to that user, and nothing else on the machine is changed for it.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg

from shared.errors import Misconfigured
from shared.local.ownership import owned
from shared.local.postgres_data import ENV, SUPERUSER, binary, cluster
from shared.local.processes import Child, Command, spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

READY_WITHIN_S = 60.0
LOOK_EVERY_S = 0.02
IS_THERE = "SELECT count(*) FROM pg_database WHERE datname = $1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """How to start it, and where it listens: the same place after every start."""

    command: Command
    socket_dir: Path
    database: str = "galley"

    @property
    def dsn(self) -> str:
        """Where clients connect."""
        return self.dsn_of(self.database)

    def dsn_of(self, database: str) -> str:
        """Where clients connect for another database of this server."""
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}"

    async def ready(self, child: Child | None = None) -> None:
        """Return once it answers queries and its database is there.

        With `child`: give up as soon as that process has ended. Raises `Misconfigured` with the
        server's own words, or `TimeoutError`.
        """
        deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
        while not await self._answers():
            if child is not None and not child.running:
                message = f"Postgres did not start: {child.last_words()} ({self.command.log})"
                raise Misconfigured(message)
            if asyncio.get_running_loop().time() > deadline:
                message = f"Postgres is not ready after {READY_WITHIN_S:.0f} s"
                raise TimeoutError(f"{message}: see {self.command.log}")
            await asyncio.sleep(LOOK_EVERY_S)
        await self.create_database(self.database)

    async def create_database(self, name: str) -> None:
        """Create a database unless it is there."""
        connection = await asyncpg.connect(self.dsn_of("postgres"))
        try:
            if not await connection.fetchval(IS_THERE, name):
                await connection.execute(f"CREATE DATABASE {quoted(name)}")
        finally:
            await connection.close()

    async def drop_database(self, name: str) -> None:
        """Drop a database, with whoever is still connected to it."""
        connection = await asyncpg.connect(self.dsn_of("postgres"))
        try:
            await connection.execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")
        finally:
            await connection.close()

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn_of("postgres"))
        except (OSError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


async def postgres(
    data_dir: Path, *, database: str = "galley", settings: Mapping[str, str] | None = None
) -> Postgres:
    """A server that keeps everything in `data_dir`, initialised there if it is new.

    `settings` are postgresql.conf parameters, on top of the defaults.
    """
    made = await cluster(data_dir)
    ours = {"listen_addresses": "", "unix_socket_directories": f'"{made.socket_dir}"'}
    chosen = {"unix_socket_permissions": "0700", **(settings or {}), **ours}
    options = tuple(word for name, value in chosen.items() for word in ("-c", f"{name}={value}"))
    command = Command(
        name="postgres",
        argv=(str(binary("postgres")), "-D", str(made.data), *options),
        env=ENV,
        log=data_dir / "postgres.log",
        account=made.account,
        pid_file=data_dir / "postgres.pid",
        # SIGTERM waits for every client to leave. SIGINT ends their sessions and writes a
        # checkpoint; SIGQUIT leaves at once, to be recovered at the next start.
        stop=signal.SIGINT,
        death=signal.SIGQUIT,
    )
    return Postgres(command=command, socket_dir=made.socket_dir, database=database)


@asynccontextmanager
async def serve_postgres(
    data_dir: Path,
    *,
    database: str = "galley",
    settings: Mapping[str, str] | None = None,
    grace: float = 15.0,
) -> AsyncIterator[Postgres]:
    """A ready server for the length of the block; `data_dir` belongs to it alone."""
    with owned(data_dir):
        server = await postgres(data_dir, database=database, settings=settings)
        child = await spawn(server.command)
        try:
            await server.ready(child)
            yield server
        finally:
            await child.stop(grace)
