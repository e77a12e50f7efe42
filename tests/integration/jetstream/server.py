"""A nats-server with Galley's own users and topology, shared by the tests that need one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest_asyncio

from shared.jetstream import ADMIN, SYSTEM, USERS, Connection, connect, ensure, server_config
from shared.local.nats_server import serve_nats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    import pytest

PASSWORDS = {user: f'{user} "\\ $HOME # secret' for user in (*USERS, SYSTEM)}


@dataclass(frozen=True, slots=True)
class GalleyNats:
    """Where it is, and how its users get in."""

    url: str

    def connect(self, user: str) -> AbstractAsyncContextManager[Connection]:
        return connect(self.url, user, PASSWORDS[user], f"test {user}")

    @asynccontextmanager
    async def empty(self) -> AsyncIterator[Connection]:
        """Galley's topology with nothing in it; the connection is the admin's."""
        async with self.connect(ADMIN) as admin:
            await ensure(admin)
            for stream in ("GALLEY", "OBJ_MEDIA"):
                await admin.nc.jetstream().purge_stream(stream)
            yield admin


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def galley_nats(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GalleyNats]:
    """One such server for the whole run."""
    async with serve_nats(server_config(PASSWORDS), tmp_path_factory.mktemp("galley")) as server:
        yield GalleyNats(server.url)
