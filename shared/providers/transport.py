"""The connection under both SDKs: one body can never be larger than its cap.

Anthropic's and Google's SDKs speak httpx2; a transport of our own drops their limits and socket
options, so it brings its own.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx2

from shared.providers.capped import IDENTITY, capped, refuse_packed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MEBIBYTE = 1024 * 1024
LIMITS = httpx2.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=30)
CONNECT_SECONDS = 5.0


class CappedBody(httpx2.AsyncByteStream):
    """A response body that stops at its cap."""

    def __init__(self, body: httpx2.AsyncByteStream, limit: int) -> None:
        self._body = body
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in capped(self._body, self._limit):
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()


class CappedTransport(httpx2.AsyncHTTPTransport):
    """HTTP/1.1 with capped, unpacked bodies."""

    def __init__(self, limit: int) -> None:
        super().__init__(limits=LIMITS, socket_options=_keepalive())
        self._limit = limit

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers.update(IDENTITY)
        response = await super().handle_async_request(request)
        try:
            refuse_packed(response.headers)
        except Exception:
            await response.aclose()
            raise
        if isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = CappedBody(response.stream, self._limit)
        return response


def capped_client(limit: int, seconds: float) -> httpx2.AsyncClient:
    """An HTTP client for an SDK. It follows no redirect: one call is one request."""
    return httpx2.AsyncClient(
        transport=CappedTransport(limit),
        timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
        follow_redirects=False,
    )


def _keepalive() -> list[tuple[int, int, int]]:
    """A model may think for minutes without a byte: keep gateways from forgetting us."""
    wanted = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 60, "TCP_KEEPCNT": 5}
    known = [name for name in wanted if hasattr(socket, name)]
    timing = [(socket.IPPROTO_TCP, getattr(socket, name), wanted[name]) for name in known]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *timing]
