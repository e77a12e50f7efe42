"""Text as it is being written: told to whoever listens, never stored, never waited for."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from shared.domain.subjects import PostRef
from shared.domain.values import Stage
from shared.eventlog import Tokens
from shared.jetstream.requests import NotTaken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.msg import Msg

    from shared.jetstream.connection import Connection

log = structlog.get_logger(__name__)

MAX_PIECE_BYTES: Final = 256 * 1024
WAITING_PIECES: Final = 10_000
_MOST: Final = 2**53


class JetStreamLive:
    """Live tokens over the same connection as the log, beside it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def publish(self, ref: PostRef, tokens: Tokens) -> None:
        data = _encoded(tokens)
        if len(data) > MAX_PIECE_BYTES:
            log.warning("live.piece_too_large", stage=tokens.stage, bytes=len(data))
            return
        try:
            subject = f"live.{ref.tenant}.{ref.id}.{tokens.stage}"
            await self._connection.requests.tell(subject, data)
        except NotTaken as error:
            log.debug("live.not_sent", why=str(error))

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[tuple[PostRef, Tokens]]]:
        waiting: asyncio.Queue[tuple[PostRef, Tokens]] = asyncio.Queue(WAITING_PIECES)

        async def arrived(msg: Msg) -> None:
            piece = _decoded(msg)
            if piece is not None and not waiting.full():
                waiting.put_nowait(piece)

        subscription = await self._connection.nc.subscribe("live.>", cb=arrived)
        try:
            yield _pieces(waiting)
        finally:
            if not self._connection.closed:
                await subscription.unsubscribe()


async def _pieces(
    waiting: asyncio.Queue[tuple[PostRef, Tokens]],
) -> AsyncIterator[tuple[PostRef, Tokens]]:
    while True:
        yield await waiting.get()


def _encoded(tokens: Tokens) -> bytes:
    told = [tokens.run, tokens.key, tokens.attempt, tokens.offset, tokens.text]
    return json.dumps(told).encode()


def _decoded(msg: Msg) -> tuple[PostRef, Tokens] | None:
    """The piece, or None for what is none: the stage is what the server let its sender claim."""
    try:
        _, tenant, post, stage = msg.subject.split(".")
        if len(msg.data) > MAX_PIECE_BYTES:
            raise ValueError("too large")  # noqa: TRY301  (told like all else that is no piece)
        run, key, attempt, offset, text = json.loads(msg.data)
        tokens = Tokens(
            stage=Stage(stage),
            run=_count(run),
            key=_text(key),
            attempt=_count(attempt),
            offset=_count(offset),
            text=_text(text),
        )
        return PostRef(tenant, UUID(post)), tokens
    except (ValueError, TypeError, RecursionError) as error:
        log.warning("live.malformed", subject=msg.subject[:200], why=type(error).__name__)
        return None


def _count(told: object) -> int:
    if not isinstance(told, int) or not 0 <= told <= _MOST:
        raise ValueError("not a count")
    return told


def _text(told: object) -> str:
    if not isinstance(told, str):
        raise TypeError("not a text")
    return told
