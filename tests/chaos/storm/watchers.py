"""Clients that only watch: each keeps the ids it was shown, across everything that breaks."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
from httpx_sse import SSEError, aconnect_sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PAUSE_S = 0.2
SILENCE_S = 20.0


class Watcher:
    """Follows one stream from its beginning; `shown` are the ids of its events, in order."""

    def __init__(self, http: httpx.AsyncClient, path: str) -> None:
        self._http = http
        self._path = path
        self._last = "0"
        self.shown: list[int] = []
        self.broken_off = 0

    async def watch(self) -> None:
        """Until cancelled; resumed where it broke off."""
        while True:
            try:
                async for seq in self._stream():
                    self.shown.append(seq)
            except (httpx.TransportError, SSEError, ValueError):
                self.broken_off += 1
            await asyncio.sleep(PAUSE_S)

    async def _stream(self) -> AsyncIterator[int]:
        timeout = httpx.Timeout(5, read=SILENCE_S)
        headers = {"Last-Event-ID": self._last}
        async with aconnect_sse(
            self._http, "GET", self._path, headers=headers, timeout=timeout
        ) as source:
            if not source.response.is_success:
                return
            async for event in source.aiter_sse():
                self._last = event.id or self._last
                if event.id and event.data and json.loads(event.data).get("seq") is not None:
                    yield int(event.id)
