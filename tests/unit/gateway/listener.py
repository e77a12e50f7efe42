"""A client of server-sent events: reads a stream event by event, as a browser would."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shared.testing.access import BEARER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx


@dataclass(frozen=True)
class Event:
    name: str
    data: dict[str, Any]
    id: int | None


class Listener:
    """`last_id` is what a browser would send as Last-Event-ID when it comes back."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id: int | None = None
        self._lines = response.aiter_lines()

    async def line(self) -> str:
        return await anext(self._lines)

    async def next(self) -> Event:
        """The next event; raises `StopAsyncIteration` when the stream has ended."""
        name, data, here = "", "", None
        while True:
            line = await self.line()
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data = value
            elif field == "id":
                here = self.last_id = int(value)
            elif not line and data:
                return Event(name, json.loads(data), here)

    async def some(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def until(self, name: str) -> list[Event]:
        """Everything up to and including the next event of this name."""
        found: list[Event] = []
        while not found or found[-1].name != name:
            found.append(await self.next())
        return found

    async def rest(self) -> list[Event]:
        """Everything until the stream ends."""
        found: list[Event] = []
        while True:
            try:
                found.append(await self.next())
            except StopAsyncIteration:
                return found


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient, path: str, last: int | None = None, **params: Any
) -> AsyncIterator[Listener]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with client.stream("GET", path, headers=headers, params=params) as response:
        assert response.status_code == 200, await response.aread()
        yield Listener(response)


async def barely_reading(
    client: httpx.AsyncClient, path: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that takes in as little as a socket can, until somebody reads from it."""
    url = client.base_url
    taker = socket.socket()
    taker.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    taker.setblocking(False)
    await asyncio.get_running_loop().sock_connect(taker, (url.host, url.port))
    reader, writer = await asyncio.open_connection(sock=taker, limit=65_536)
    shown = "".join(f"{name}: {value}\r\n" for name, value in BEARER.items())
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {url.host}\r\n{shown}\r\n".encode())
    await writer.drain()
    return reader, writer
