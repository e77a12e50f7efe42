"""A server that says exactly the bytes it is told to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        told = json.loads(self.body)
        assert isinstance(told, dict)
        return told


@dataclass(slots=True)
class Scripted:
    """`say` is sent in reply to every request, piece by piece.

    Then the connection is closed, or with `hang` kept open until the client leaves.
    """

    url: str
    say: Sequence[bytes] = ()
    hang: bool = False
    asked: list[Asked] = field(default_factory=list)
    said: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await _read(reader))
        try:
            for piece in self.say:
                writer.write(piece)
                await writer.drain()
            self.said.set()
            if self.hang:
                await reader.read()
        except ConnectionError:
            self.said.set()
        finally:
            self.left.set()
            writer.close()


@asynccontextmanager
async def scripted(*say: bytes, hang: bool = False) -> AsyncIterator[Scripted]:
    """Serve while the block runs."""
    script = Scripted(url="", say=say, hang=hang)
    server = await asyncio.start_server(script.answer, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield script


def reply(
    body: bytes | str | dict[str, Any],
    *,
    status: int = 200,
    kind: str = "application/json",
    length: int | None = None,
    **headers: str,
) -> bytes:
    """One HTTP reply. A `length` beyond the body's makes it a cut one."""
    if isinstance(body, dict):
        body = json.dumps(body)
    content = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = {"content-type": kind, "content-length": str(length or len(content)), **named}
    lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + content


def events(*told: dict[str, Any], **headers: str) -> bytes:
    """A reply that is a stream of events and ends with the connection."""
    frames = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in told)
    head = ["HTTP/1.1 200 Told", "content-type: text/event-stream", "connection: close"]
    named = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*head, *named, "", ""]).encode() + frames.encode()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in head[1:] if line]
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        return Asked(head[0].split()[1], headers, await _chunks(reader))
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Asked(head[0].split()[1], headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts: list[bytes] = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(parts)
