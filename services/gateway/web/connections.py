"""No connection costs more than it is worth: who is too slow, or says too much, is hung up on.

The HTTP server itself waits for ever for a request's head, keeps every byte of it, and waits for
ever for its answer to be taken. What a body may be, and how long it may take, the application says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

TOO_LONG = 431
NO_REQUEST = 400
_SAID = {
    TOO_LONG: ("Request Header Fields Too Large", "the head of the request is too long"),
    NO_REQUEST: ("Bad Request", "this is no HTTP request"),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take for itself.

    `head_bytes` of a request line and headers within `head_s`; an answer it does not take is looked
    at every `stalled_s`, and dropped when fewer than `least_bytes` have gone.
    """

    head_bytes: int = 64 * 1024
    head_s: float = 15.0
    stalled_s: float = 30.0
    least_bytes: int = 30_000


class BoundedProtocol(HttpToolsProtocol):
    """The server's protocol within `limits`; a subclass of its own sets others."""

    limits = Limits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  the server's own
        super().__init__(*args, **kwargs)
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._length = 0
        self._unparsed = 0
        self._too_long = self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as there
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._went_on()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if self._unparsed > self.limits.head_bytes:
            self._too_long = True
            self.send_400_response("")
        elif self.cycle is None or self.cycle.response_complete:
            self._expect_head()

    def on_message_begin(self) -> None:
        self._length = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + len(b": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed = 0
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed = 0
        super().on_body(body)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        self._went_on()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  the server's words, not ours
        """What the server says of something it cannot read: a problem like any other.

        Who is still talking would not hear it if the connection were closed at once.
        """
        self._refused = True
        self.transport.write(_problem(TOO_LONG if self._too_long else NO_REQUEST))
        self.transport.write_eof()
        self._expect_head()

    def _count(self, more: int) -> None:
        """Refuse a head that is too long, whatever it is made of. The parser makes it a bad one."""
        self._unparsed = 0
        self._length += more
        if self._length > self.limits.head_bytes:
            self._too_long = True
            raise ValueError("the head is too long")

    def _expect_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(self.limits.head_s, self.transport.abort)

    def _head_came(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _watch(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.limits.stalled_s, self._look, waiting)

    def _look(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < self.limits.least_bytes:
            self.transport.abort()
        else:
            self._watch()

    def _went_on(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def _problem(status: int) -> bytes:
    title, detail = _SAID[status]
    told = {"type": f"urn:galley:problem:{status}", "title": title, "status": status}
    body = json.dumps({**told, "detail": detail}).encode()
    head = (
        f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
