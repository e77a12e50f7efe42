"""Streams copied out of one server and into another, byte for byte, while others go on writing.

What the server sends is its own form of a stream: sequences, gaps, subjects, headers and times are
in it. Only the moment at which the stream was made is not kept: what is put back is another log to
whoever has read the first. Nothing is held in memory but what is on its way.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nats.aio.msg import Msg

from shared.errors import LogUnavailable
from shared.jetstream.messages import BATCH, BATCH_COMMIT
from shared.jetstream.requests import STATUS
from shared.jetstream.rights import BUCKET_STREAM, STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.jetstream.connection import Connection

BACKED_UP: Final = (STREAM, BUCKET_STREAM)
"""The log first: a picture is stored before the log names it, so what it names is in the second."""

COMPLETE: Final = "204"
CHUNK: Final = 128 * 1024
WINDOW: Final = 4 * 1024 * 1024
"""How much the server sends ahead of what was taken."""
SILENCE_S: Final = 30.0
UNPACKING_S: Final = 600.0
"""The server unpacks and checks what it was given before it answers."""
TRIES: Final = 50


class Extent(NamedTuple):
    """What a stream holds."""

    first: int
    last: int
    messages: int


class Snapshot:
    """A stream as it was at one moment; `chunks` are its bytes, once."""

    def __init__(
        self, connection: Connection, arrivals: asyncio.Queue[Msg | None], told: dict[str, Any]
    ) -> None:
        self._connection = connection
        self._arrivals = arrivals
        self.config: Final[dict[str, Any]] = told["config"]
        self.extent: Final = _extent(told)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Raises `LogUnavailable` when the server stops before the end."""
        while (msg := await self._next()).data:
            yield msg.data
            if msg.reply:
                await self._connection.requests.tell(msg.reply, b"")
        status = (msg.headers or {}).get(STATUS, COMPLETE)
        if status != COMPLETE:
            raise LogUnavailable(f"the server broke the copy off with status {status}")

    async def _next(self) -> Msg:
        try:
            async with asyncio.timeout(SILENCE_S):
                msg = await self._arrivals.get()
        except TimeoutError as error:
            raise LogUnavailable("the server fell silent in the middle of a copy") from error
        if msg is None:
            raise LogUnavailable("the server was lost in the middle of a copy")
        return msg


@asynccontextmanager
async def snapshot(connection: Connection, stream: str) -> AsyncIterator[Snapshot]:
    """The stream as it is now, without its consumers, ending where a batch ends.

    The server takes it between any two messages, also between those of one batch: then it is taken
    again. A consumer might remember an ack whose outcome came too late for the copy, so none is in
    it. Raises `LogUnavailable`.
    """
    for _ in range(TRIES):
        async with _taken(connection, stream) as taken:
            if await _whole(connection, stream, taken.extent.last):
                yield taken
                return
    raise LogUnavailable(f"{stream} is written to without a pause: try again")


async def put_back(
    connection: Connection, stream: str, config: dict[str, Any], chunks: AsyncIterator[bytes]
) -> Extent:
    """Make the stream out of a snapshot's bytes; what it then holds.

    Raises `LogUnavailable` when the server has such a stream, does not take the bytes or does not
    answer.
    """
    asked = {"config": config, "state": {}}
    told = await _asked(connection, f"$JS.API.STREAM.RESTORE.{stream}", asked)
    target = str(told["deliver_subject"])
    async for chunk in chunks:
        answer = await connection.requests.one(target, chunk, timeout=SILENCE_S)
        if answer.data:
            _told(answer)
    return _extent(_told(await connection.requests.one(target, b"", timeout=UNPACKING_S)))


async def holds(connection: Connection, stream: str) -> bool:
    """Whether the server has such a stream. Raises `LogUnavailable`."""
    answer = await connection.requests.one(f"$JS.API.STREAM.INFO.{stream}")
    told = json.loads(answer.data)
    return bool(told.get("error", {}).get("code") != 404)


async def drop(connection: Connection, stream: str) -> None:
    """Take back what was put back. Raises `LogUnavailable`."""
    await _asked(connection, f"$JS.API.STREAM.DELETE.{stream}", {})


@asynccontextmanager
async def _taken(connection: Connection, stream: str) -> AsyncIterator[Snapshot]:
    inbox, arrivals = connection.nc.new_inbox(), asyncio.Queue[Msg | None]()
    found = connection.at_loss(lambda: arrivals.put_nowait(None))
    sizes = {"chunk_size": CHUNK, "window_size": WINDOW}
    asked = {"deliver_subject": inbox, "no_consumers": True, **sizes}
    subscription = await connection.nc.subscribe(inbox, cb=arrivals.put)
    try:
        told = await _asked(connection, f"$JS.API.STREAM.SNAPSHOT.{stream}", asked)
        yield Snapshot(connection, arrivals, told)
    finally:
        found()
        if not connection.closed:
            await subscription.unsubscribe()


async def _whole(connection: Connection, stream: str, last: int) -> bool:
    """No batch is cut off behind this message; one that was erased since had been whole."""
    asked = json.dumps({"seq": last}).encode()
    message = await connection.requests.one(f"$JS.API.DIRECT.GET.{stream}", asked)
    headers = message.headers or {}
    return BATCH not in headers or BATCH_COMMIT in headers


async def _asked(connection: Connection, subject: str, question: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(question).encode()
    return _told(await connection.requests.one(subject, data, timeout=SILENCE_S))


def _told(answer: Msg) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(answer.data)
    except ValueError as error:
        words = answer.data[:200].decode("utf-8", "replace")
        raise LogUnavailable(f"the server breaks off: {words}") from error
    if "error" in told:
        raise LogUnavailable(f"the server refuses: {told['error'].get('description', '')}")
    return told


def _extent(told: dict[str, Any]) -> Extent:
    state = told["state"]
    return Extent(state["first_seq"], state["last_seq"], state["messages"])
