"""Who is too slow or says too much is hung up on, and nobody else is."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from services.gateway.web.body_limit import BodyLimit
from services.gateway.web.connections import BoundedProtocol, Limits
from shared.runtime.health import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.runtime.health import App, Message, Receive, Send, Served


class Hasty(BoundedProtocol):
    limits = Limits(head_bytes=8_000, head_s=0.2, stalled_s=0.2)


HANGS_S = 20
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"a" * 4_000

type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def hello(_scope: Message, _receive: Receive, send: Send) -> None:
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


async def attentive(scope: Message, receive: Receive, send: Send) -> None:
    """Reads the whole body first."""
    while (await receive()).get("more_body", False):
        continue
    await hello(scope, receive, send)


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with serve(attentive, "127.0.0.1", 0, protocol=Hasty) as served:
        yield served


@asynccontextmanager
async def opened(served: Served, most: int = 65_536) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection(served.host, served.port, limit=most)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server hangs up."""
    async with asyncio.timeout(HANGS_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_a_request_in_pieces_is_answered_again_and_again(server: Served) -> None:
    async with opened(server) as (reader, writer):
        for _ in range(3):
            for piece in (ASK, b"X: " + PIECE, b"\r\n\r\n"):
                writer.write(piece)
                await writer.drain()
            assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("said", [b"", b"\r\n", b"G", ASK])
async def test_who_does_not_say_what_it_wants_is_hung_up_on(server: Served, said: bytes) -> None:
    async with opened(server) as (reader, writer):
        writer.write(said)
        assert await rest(reader) == b""


async def test_an_answer_buys_no_patience_for_the_next_request(server: Served) -> None:
    async with opened(server) as (reader, writer):
        writer.write(ASK + b"\r\n")
        await reader.readuntil(b"hello")
        writer.write(ASK)
        assert await rest(reader) == b""


async def test_a_head_that_dribbles_in_gets_no_more_time(server: Served) -> None:
    async with opened(server) as (reader, writer):
        writer.write(ASK)
        async with asyncio.timeout(HANGS_S):
            while not reader.at_eof():
                try:
                    async with asyncio.timeout(0.02):
                        await reader.read()
                except TimeoutError:
                    writer.write(b"x")
                except ConnectionResetError:
                    break


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET /", PIECE),
        (ASK + b"X: ", PIECE),
        (ASK + b"X", PIECE),
        (ASK, b"X: " + PIECE + b"\r\n"),
        (BODY + b"0\r\n", b"X: " + PIECE + b"\r\n"),
        (BODY + b"0\r\nX: ", PIECE),
        (BODY + b"1;", PIECE),
        (b"", b"\r\n" * 2_000),
    ],
    ids=["address", "value", "name", "headers", "trailers", "trailer", "extension", "blanks"],
)
async def test_a_head_without_end_is_refused(server: Served, begun: bytes, more: bytes) -> None:
    async with opened(server) as (reader, writer):
        writer.write(begun + (1_000_000 // len(more)) * more)
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        assert b"application/problem+json" in head
        assert json.loads(body)["status"] == 431


async def test_what_is_no_request_is_refused_and_not_repeated(server: Served) -> None:
    async with opened(server) as (reader, writer):
        writer.write(b"<script>alert(1)</script>\r\n\r\n")
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["status"] == 400
        assert b"script" not in head + body


async def test_an_answer_that_nobody_takes_is_dropped() -> None:
    dropped = asyncio.Event()

    async def generous(_scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": bytes(30_000_000), "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            continue
        dropped.set()

    async with (
        serve(generous, "127.0.0.1", 0, protocol=Hasty) as served,
        opened(served, 1_000) as (reader, writer),
    ):
        writer.write(ASK + b"\r\n")
        async with asyncio.timeout(HANGS_S):
            await dropped.wait()
        assert len(await rest(reader)) < 30_000_000


@pytest.mark.parametrize("begun", [b"Content-Length: 9\r\n\r\n{", b"Content-Length: 9\r\n\r\n"])
async def test_a_body_that_does_not_come_is_a_problem_of_its_own(begun: bytes) -> None:
    inner: Any = hello
    app: App = cast("Any", BodyLimit(inner, patience_s=0.1))
    async with serve(app, "127.0.0.1", 0) as served, opened(served) as (reader, writer):
        writer.write(ASK.replace(b"GET", b"POST") + begun)
        head, _, body = (await rest(reader)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["code"] == "too-slow"
