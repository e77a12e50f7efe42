"""Serves an ASGI application on a port, for tests and for the local plant."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.simulator.exchange import App


def _server(app: App) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return uvicorn.Server(config)


def listening(host: str, port: int) -> socket.socket:
    """A socket that accepts connections from now on; port 0 takes a free one."""
    made = socket.create_server((host, port), backlog=2048)
    # asyncio switches Nagle's algorithm off only where the socket names its protocol.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setblocking(False)
    return made


async def serve(app: App, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM, or until cancelled."""
    await _server(app).serve(sockets=[listener])


@asynccontextmanager
async def serving(app: App, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve inside this event loop while the block runs; gives the base URL.

    Connections are accepted from the first line of the block: the socket listens before it.
    """
    listener = listening(host, port)
    server = _server(app)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
