"""Hands in posts over the gateway's HTTP API, on connections that stay open.

Written on the standard library's client because that costs the machine least: what the load
generator uses, the services do not have.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from shared.errors import GatewayError

if TYPE_CHECKING:
    from types import TracebackType

TIMEOUT_S = 30.0
HEADERS = {"Content-Type": "application/json"}


class Posts:
    """At most `at_once` requests are open at a time."""

    def __init__(self, gateway: str, key: str, at_once: int) -> None:
        self._headers = {**HEADERS, "Authorization": f"Bearer {key}"}
        self._address = urlsplit(gateway).netloc
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="post")
        self._own = threading.local()
        self._opened: list[HTTPConnection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        for connection in self._opened:
            connection.close()

    async def create(self, topic: str) -> str:
        """A new post's id. Raises `GatewayError`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._create, topic)

    async def create_many(self, count: int, topic: str) -> list[str]:
        """So many posts, as fast as the gateway takes them.

        No two topics are alike, in this call or another: looking for a free slug is not the rule.
        """
        lot = secrets.token_hex(4)
        topics = (f"{topic} {lot} {number}" for number in range(count))
        return await asyncio.gather(*map(self.create, topics))

    def _create(self, topic: str) -> str:
        connection = self._connection()
        connection.request("POST", "/api/posts", json.dumps({"topic": topic}), self._headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != HTTPStatus.CREATED:
            raise GatewayError(answer.status, body[:500].decode(errors="replace"))
        made: dict[str, Any] = json.loads(body)
        return str(made["id"])

    def _connection(self) -> HTTPConnection:
        """This thread's own."""
        known: HTTPConnection | None = getattr(self._own, "connection", None)
        if known is None:
            known = self._own.connection = HTTPConnection(self._address, timeout=TIMEOUT_S)
            self._opened.append(known)
        return known
