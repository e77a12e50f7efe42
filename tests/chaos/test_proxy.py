"""The proxy does what each fault says, in the direction it was told, and keeps the order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from shared.local.ports import LOOPBACK
from tests.chaos.proxy import Proxy, Way, serve_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SHORT_S = 0.05
"""Long enough for bytes that are on their way to come on this machine, were they not held."""


@dataclass(slots=True)
class Echo:
    """Sends back every line and remembers it; an empty one is the end of a connection."""

    heard: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = b"-"
        while line:
            try:
                line = await reader.readline()
            except OSError:
                line = b""
            self.heard.put_nowait(line)
            writer.write(line)
        writer.close()


@dataclass(slots=True)
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def say(self, line: bytes) -> None:
        self.writer.write(line)

    async def hears_nothing(self) -> bool:
        try:
            async with asyncio.timeout(SHORT_S):
                await self.reader.readline()
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Proxy, Echo]]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, LOOPBACK, 0)
    async with server, serve_proxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy, echo


async def dialled(proxy: Proxy) -> Client:
    """A connection that has been used once."""
    client = Client(*await asyncio.open_connection(LOOPBACK, proxy.port))
    client.say(b"hello\n")
    assert await client.reader.readline() == b"hello\n"
    return client


async def test_what_is_held_in_one_direction_passes_in_the_other_and_comes_later_in_order() -> None:
    async with echoing() as (proxy, echo):
        client = await dialled(proxy)
        proxy.hold(Way.BACK)
        for line in (b"1\n", b"2\n"):
            client.say(line)
        assert [await echo.heard.get() for _ in range(3)] == [b"hello\n", b"1\n", b"2\n"]
        assert await client.hears_nothing()
        proxy.release()
        assert [await client.reader.readline() for _ in range(2)] == [b"1\n", b"2\n"]
        client.writer.close()


async def test_what_is_slow_comes_whole_and_in_order() -> None:
    async with echoing() as (proxy, _):
        client = await dialled(proxy)
        proxy.slow(2 * SHORT_S, Way.OUT)
        client.say(b"1\n")
        assert await client.hears_nothing()
        proxy.slow(0.0)
        client.say(b"2\n")
        assert [await client.reader.readline() for _ in range(2)] == [b"1\n", b"2\n"]
        client.writer.close()


async def test_a_reset_breaks_what_there_is_and_lets_new_connections_through() -> None:
    async with echoing() as (proxy, _):
        client = await dialled(proxy)
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            await client.reader.readline()
        again = await dialled(proxy)
        assert proxy.accepted == 2
        again.writer.close()


async def test_a_shut_path_breaks_new_connections_too() -> None:
    async with echoing() as (proxy, _):
        proxy.shut()
        client = Client(*await asyncio.open_connection(LOOPBACK, proxy.port))
        with pytest.raises(ConnectionResetError):
            await client.reader.readline()
        proxy.release()
        (await dialled(proxy)).writer.close()


async def test_of_a_half_open_connection_the_server_knows_and_the_client_does_not() -> None:
    async with echoing() as (proxy, echo):
        client = await dialled(proxy)
        proxy.half_open()
        assert [await echo.heard.get() for _ in range(2)] == [b"hello\n", b""]
        client.say(b"1\n")
        assert await client.hears_nothing()
        client.writer.close()


async def test_a_stranded_connection_stays_silent_while_a_new_one_passes() -> None:
    async with echoing() as (proxy, _):
        client = await dialled(proxy)
        proxy.strand()
        client.say(b"1\n")
        assert await client.hears_nothing()
        (await dialled(proxy)).writer.close()
        client.writer.close()
