"""A request's body is read whole before anything looks at it, and never beyond the limits.

Too much is answered with 413, what dribbles in with 408 and a body of a kind we do not read with
415, before any parsing.
"""

from __future__ import annotations

import asyncio
from email.message import Message as Header
from typing import TYPE_CHECKING, NamedTuple

from starlette.datastructures import Headers

from services.gateway.web.problems import problem

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1_000_000
PATIENCE_S = 20.0
SLOWEST = 10_000
"""A body may take `PATIENCE_S`, and a second more for each so many bytes that have come."""
_JSON = frozenset({"application/json"})
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Allowance(NamedTuple):
    """What a body may be at an address where not every method takes JSON of the usual size."""

    method: str
    path: re.Pattern[str]
    most: int = MAX_BODY
    kinds: frozenset[str] = _JSON


class _Gone(Exception):
    """The client left while sending."""


class _TooMuch(Exception):
    """The body is longer than the limit."""


class BodyLimit:
    def __init__(
        self,
        app: ASGIApp,
        most: int = MAX_BODY,
        allowances: Sequence[Allowance] = (),
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._app = app
        self._most = most
        self._patience_s = patience_s
        self._allowances = tuple(allowances)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READS:
            await self._app(scope, receive, send)
            return
        headers, (most, kinds) = Headers(scope=scope), self._allowed(scope)
        try:
            body = await _read(headers, receive, most, self._patience_s)
        except _Gone:
            return
        except TimeoutError:
            await _too_slow()(scope, receive, send)
            return
        except _TooMuch:
            await _too_much(most)(scope, receive, send)
            return
        told = scope["method"] in _WRITES and bool(body)
        if told and _kind(headers.get("content-type", "")) not in kinds:
            await _unsupported(kinds)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _allowed(self, scope: Scope) -> tuple[int, frozenset[str]]:
        here = [each for each in self._allowances if each.path.fullmatch(scope["path"])]
        for each in here:
            if scope["method"] == each.method:
                return each.most, each.kinds
        # Another method is answered 405, whatever it carries.
        return self._most, _JSON.union(*(each.kinds for each in here))


async def _read(headers: Headers, receive: Receive, most: int, patience_s: float) -> bytes:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _TooMuch
    body, more = bytearray(), True
    until = asyncio.get_running_loop().time() + patience_s
    async with asyncio.timeout_at(until) as limit:
        while more:
            more = _added(body, await receive())
            limit.reschedule(until + len(body) / SLOWEST)
            if len(body) > most:
                raise _TooMuch
    return bytes(body)


def _added(body: bytearray, message: Message) -> bool:
    """Take in a piece; whether more will come."""
    if message["type"] == "http.disconnect":
        raise _Gone
    body += message.get("body", b"")
    return bool(message.get("more_body", False))


def _too_much(most: int) -> Response:
    close = {"Connection": "close"}
    return problem(413, "too-large", f"a body may have {most:,} bytes at most", close)


def _too_slow() -> Response:
    return problem(408, "too-slow", "the body came too slowly", {"Connection": "close"})


def _kind(content_type: str) -> str:
    header = Header()
    header["content-type"] = content_type
    return header.get_content_type()


def _unsupported(kinds: frozenset[str]) -> Response:
    code = "not-json" if kinds == _JSON else "unsupported-media-type"
    return problem(415, code, f"the body has to be {' or '.join(sorted(kinds))}")


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once, then whatever the connection has to say."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
