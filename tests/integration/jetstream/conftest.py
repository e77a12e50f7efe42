"""Real servers for the log: a shared one, emptied for each test, and one that may be killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from shared.jetstream import ADMIN, GATEWAY, ensure, open_log, server_config
from shared.local.nats_server import nats_server
from shared.local.processes import spawn
from tests.integration.jetstream.server import PASSWORDS, GalleyNats, galley_nats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared.jetstream import Connection, JetStreamLog
    from shared.local.nats_server import NatsServer
    from shared.local.processes import Child

__all__ = ["galley_nats"]


@pytest.fixture
async def admin(galley_nats: GalleyNats) -> AsyncIterator[Connection]:
    """The shared server with nothing in its log, seen by its admin."""
    async with galley_nats.empty() as connection:
        yield connection


@pytest.fixture
async def gateway(admin: Connection, galley_nats: GalleyNats) -> AsyncIterator[Connection]:
    async with galley_nats.connect(GATEWAY) as connection:
        yield connection


@pytest.fixture
async def research(admin: Connection, galley_nats: GalleyNats) -> AsyncIterator[Connection]:
    async with galley_nats.connect("research") as connection:
        yield connection


@pytest.fixture
def log(gateway: Connection) -> JetStreamLog:
    """The log as the gateway writes it."""
    return open_log(gateway, GATEWAY)


@pytest.fixture
def research_log(research: Connection) -> JetStreamLog:
    """The log as the research stage writes it."""
    return open_log(research, "research")


@dataclass(slots=True)
class Mortal:
    """A server of the test's own, with Galley's topology."""

    server: NatsServer
    child: Child

    @property
    def galley(self) -> GalleyNats:
        return GalleyNats(self.server.url)

    async def kill(self) -> None:
        self.child.kill()
        await self.child.wait()

    async def start(self) -> None:
        self.child = await spawn(self.server.command)
        await self.server.ready(self.child)


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[Mortal]:
    server = nats_server(server_config(PASSWORDS), tmp_path / "nats")
    made = Mortal(server, await spawn(server.command))
    try:
        await server.ready(made.child)
        async with made.galley.connect(ADMIN) as connection:
            await ensure(connection)
        yield made
    finally:
        await made.kill()
