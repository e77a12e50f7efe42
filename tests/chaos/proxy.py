"""A TCP path whose faults are switched while it is in use, for each direction by itself.

It passes every byte on in order, or none: what a fault holds back comes later, as over a network
that sends again what was lost. Only a connection that ends loses what was on its way.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from shared.local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK = 65_536
CHUNKS_UNDER_WAY = 64
CONNECT_S = 2.0
NO_LINGER = struct.pack("ii", 1, 0)


class Way(Enum):
    """A direction, seen from the client."""

    OUT = "to the server"
    BACK = "to the client"


BOTH = (Way.OUT, Way.BACK)


@dataclass(slots=True)
class Lane:
    """What one direction does to every connection."""

    latency: float = 0.0
    open: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    """Listens at `port` and passes on to `target`.

    `accepted` counts the connections so far: whoever reconnected was counted again.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.accepted = 0
        self._shut = False
        self._lanes = {way: Lane() for way in BOTH}
        self._pairs: set[Pair] = set()
        self.release()

    @property
    def url(self) -> str:
        return f"nats://{LOOPBACK}:{self.port}"

    def slow(self, latency: float, *ways: Way) -> None:
        """Every byte comes `latency` seconds later; as many as before come at a time."""
        for way in ways or BOTH:
            self._lanes[way].latency = latency

    def hold(self, *ways: Way) -> None:
        """A black hole: nothing comes through, no end of a connection either, until released."""
        for way in ways or BOTH:
            self._lanes[way].open.clear()

    def release(self) -> None:
        """No fault any more; what was held back goes on."""
        self._shut = False
        for lane in self._lanes.values():
            lane.latency = 0.0
            lane.open.set()

    def reset(self) -> None:
        """Break every connection; whoever connects again gets through."""
        for pair in tuple(self._pairs):
            pair.reset()

    def shut(self) -> None:
        """Break every connection, and each new one, until released."""
        self._shut = True
        self.reset()

    def strand(self) -> None:
        """A black hole for the connections there are, for good; new ones get through."""
        for pair in tuple(self._pairs):
            pair.strand()

    def half_open(self) -> None:
        """The server's end of every connection is gone, and the client is not told."""
        for pair in tuple(self._pairs):
            pair.lose_server()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, until either side ends it."""
        self.accepted += 1
        client = End(reader, writer)
        if self._shut:
            client.reset()
            return
        try:
            async with asyncio.timeout(CONNECT_S):
                server = End(*await asyncio.open_connection(LOOPBACK, self.target))
        except (OSError, TimeoutError):
            client.reset()
            return
        pair = Pair(client, server, self._lanes)
        self._pairs.add(pair)
        try:
            await pair.carry()
        finally:
            self._pairs.discard(pair)


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """One end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def reset(self) -> None:
        """End it as a crashed machine does."""
        held: socket.socket | None = self.writer.get_extra_info("socket")
        if held is not None and held.fileno() >= 0:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.writer.transport.abort()


class Pair:
    """A client's connection and the one to the server that carries it on."""

    def __init__(self, client: End, server: End, lanes: dict[Way, Lane]) -> None:
        self._client = client
        self._server = server
        self._lanes = lanes
        self._silent = False
        self._free = asyncio.Event()
        self._free.set()

    async def carry(self) -> None:
        """Pass on in both directions until one of them ends."""
        ways = (
            asyncio.create_task(self._pass(self._client, self._server, Way.OUT)),
            asyncio.create_task(self._pass(self._server, self._client, Way.BACK)),
        )
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            await _ended(*ways)
            if self._silent:
                await self._swallow()
        finally:
            await _ended(*ways)
            self.reset()

    def reset(self) -> None:
        self._client.reset()
        self._server.reset()

    def strand(self) -> None:
        self._free.clear()

    def lose_server(self) -> None:
        self._silent = True
        self._server.reset()

    async def _pass(self, source: End, sink: End, way: Way) -> None:
        """Read ahead of what is due; an empty chunk is the end."""
        loop, lane = asyncio.get_running_loop(), self._lanes[way]
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_UNDER_WAY)
        giving = asyncio.create_task(self._give(under_way, sink, lane))
        try:
            chunk = b"-"
            while chunk and not giving.done():
                chunk = await _read(source)
                await under_way.put((loop.time() + lane.latency, chunk))
            await giving
        finally:
            giving.cancel()

    async def _give(
        self, under_way: asyncio.Queue[tuple[float, bytes]], sink: End, lane: Lane
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(due - loop.time())
            await lane.open.wait()
            await self._free.wait()
            if not chunk:
                return
            try:
                sink.writer.write(chunk)
                await sink.writer.drain()
            except OSError:
                return

    async def _swallow(self) -> None:
        while await _read(self._client):
            pass


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _read(end: End) -> bytes:
    try:
        return await end.reader.read(CHUNK)
    except OSError:
        return b""


@asynccontextmanager
async def serve_proxy(target: int) -> AsyncIterator[Proxy]:
    """A path to the loopback port `target`, without faults at first."""
    proxy = Proxy(target)
    server = await asyncio.start_server(proxy.serve, LOOPBACK, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.shut()
        await server.wait_closed()
