"""A receiver of webhooks on a real socket: notes what it is sent, and answers as a test wants."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.runtime.health import serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.runtime.health import Message, Receive, Send

type Answer = int | str
"""A status, or "hang" (no answer), "endless" (a body without end)."""


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.body)
        return said


@dataclass
class Receiver:
    """`answers` are given in turn, then 204 for ever; `arrived` is set by each request."""

    url: str = ""
    got: list[Received] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = b""
        while (part := await receive())["type"] == "http.request":
            body += part["body"]
            if not part.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.got.append(Received(scope["path"], headers, body))
        self.arrived.set()
        await self._answer(self.answers.pop(0) if self.answers else 204, receive, send)

    async def _answer(self, answer: Answer, receive: Receive, send: Send) -> None:
        if answer == "hang":
            await self.closing.wait()
        status = answer if isinstance(answer, int) else 200
        headers = [(b"location", f"{self.url}/elsewhere".encode())] if 300 <= status < 400 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if answer == "endless":
            await self._forever(receive, send)
        await send({"type": "http.response.body", "body": b""})

    async def _forever(self, receive: Receive, send: Send) -> None:
        """Until the client has left."""
        left = asyncio.ensure_future(receive())
        while not left.done():
            part = {"type": "http.response.body", "body": b"x" * 65_536, "more_body": True}
            await send(part)
            await asyncio.sleep(0)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with serve(receiver, "127.0.0.1", 0, drain_s=1) as where:
        receiver.url = where.url
        try:
            yield receiver
        finally:
            receiver.closing.set()
