"""A request's body is read whole before anything looks at it, and never beyond the limit.

Too much is answered with 413 and a body of a kind we do not read with 415, before any parsing.
"""

from __future__ import annotations

from email.message import Message as Header
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from services.gateway.problems import problem

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1_000_000
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class _Gone(Exception):
    """The client left while sending."""


class _TooMuch(Exception):
    """The body is longer than the limit."""


class BodyLimit:
    def __init__(self, app: ASGIApp, most: int = MAX_BODY) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            body = await self._read(headers, receive)
        except _Gone:
            return
        except _TooMuch:
            await self._too_much()(scope, receive, send)
            return
        if body and not _is_json(headers.get("content-type", "")):
            await _unsupported()(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        announced = headers.get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > self._most:
            raise _TooMuch
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most:
                raise _TooMuch
        return bytes(body)

    def _too_much(self) -> Response:
        close = {"Connection": "close"}
        return problem(413, "too-large", f"a body may have {self._most:,} bytes at most", close)


def _is_json(content_type: str) -> bool:
    header = Header()
    header["content-type"] = content_type
    return header.get_content_type() == "application/json"


def _unsupported() -> Response:
    return problem(415, "not-json", "the body has to be application/json")


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once, then whatever the connection has to say."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
