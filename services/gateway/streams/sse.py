"""A stream over ASGI: sent as it comes, ended when the client leaves or is too slow, when the
post is deleted or we close.

Raw ASGI, because thousands of streams share one process and a framework's response costs each of
them several times as much.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import structlog
from starlette.responses import Response

from shared.errors import GalleyError
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

    from services.gateway.streams.stream import Stream

log = structlog.get_logger()

_GOODBYE_S = 1.0
_HEADERS = {
    "cache-control": "no-store",
    "x-accel-buffering": "no",
    "x-content-type-options": "nosniff",
}


class EventStream(Response):
    media_type = "text/event-stream"

    def __init__(self, stream: Stream, chunks: AsyncGenerator[bytes]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._stream = stream
        self._chunks = chunks

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._serve(receive, send)
        finally:
            self._stream.leave()

    async def _serve(self, receive: Receive, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._pump(send)),
            asyncio.create_task(_left(receive)),
            asyncio.create_task(self._stream.over.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _stopped(tasks)
        if not tasks[1].done() or tasks[1].cancelled():
            await _goodbye(send)

    async def _pump(self, send: Send) -> None:
        try:
            async with aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    if chunk:
                        await send(_body(chunk, more=True))
                        reached("gateway.streaming")
        except GalleyError as error:
            log.warning("gateway.stream_broken", why=str(error))


def _body(data: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _left(receive: Receive) -> None:
    """Until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stopped(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            log.error("gateway.stream_failed", exc_info=outcome)


async def _goodbye(send: Send) -> None:
    """End the answer properly, if the client takes it: one that reads nothing is just dropped."""
    try:
        async with asyncio.timeout(_GOODBYE_S):
            await send(_body(b"", more=False))
    except TimeoutError:
        log.info("gateway.slow_client_dropped")
