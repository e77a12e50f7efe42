"""One HTTP exchange: the request is read once, and the client is watched for leaving meanwhile."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    type Message = MutableMapping[str, Any]
    type Receive = Callable[[], Awaitable[Message]]
    type Send = Callable[[Message], Awaitable[None]]
    type App = Callable[[Message, Receive, Send], Awaitable[None]]

SIGNATURE = (b"x-galley-simulator", b"1")
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class TooLong(Exception):
    """The request's body is longer than allowed."""


class Exchange:
    """A request and the answer to it. Leave it with `close()`, which stops watching the client."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.headers: dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        self._receive = receive
        self._send = send
        self._watch: asyncio.Task[None] | None = None

    async def body(self, limit: int) -> bytes:
        """The whole request body; from then on the client is watched."""
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > limit:
                raise TooLong
        self._watch = asyncio.create_task(self._until_gone())
        return b"".join(parts)

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._watch is not None and self._watch.done()

    async def left_within(self, seconds: float | None) -> bool:
        """Wait so long, or for ever; true as soon as the client has left."""
        if self._watch is not None:
            await asyncio.wait({self._watch}, timeout=seconds)
        return self.gone

    async def start(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        """Send the status line and the headers, signed as the simulator's."""
        told = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*told, SIGNATURE]}
        )

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a piece of the body; the last one says so."""
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, data: bytes, media_type: str = "application/json") -> None:
        """Send a complete answer."""
        length = ("content-length", str(len(data)))
        await self.start(status, (("content-type", media_type), length))
        await self.write(data, more=False)

    async def cut(self, *, reset: bool = False) -> None:
        """End the connection where it stands, with a TCP reset if asked."""
        # ASGI knows no such thing; uvicorn's send is a method of the cycle that has the transport.
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is None:
            return
        if reset:
            raw = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            transport.abort()
        else:
            transport.close()
        await self.left_within(5)

    async def close(self) -> None:
        """Stop watching the client."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait({self._watch})
