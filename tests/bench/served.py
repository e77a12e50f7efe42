"""A server's process for the length of a context, by its pid, so that it can be measured."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.local.processes import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.local.nats_server import NatsServer
    from shared.local.postgres import Postgres

STOP_S = 10.0


@asynccontextmanager
async def served(server: NatsServer | Postgres) -> AsyncIterator[int]:
    """Ready when the context opens, ended when it closes."""
    child = await spawn(server.command)
    try:
        await server.ready(child)
        yield child.pid
    finally:
        await child.stop(STOP_S)
