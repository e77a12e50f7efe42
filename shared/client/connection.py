"""A connection to a gateway that comes and goes: asked again while it is away, never asked twice.

A gateway that was reached once is given `patience` seconds to come back; what was refused for a
reason is not asked again.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from httpx_sse import SSEError, aconnect_sse

from shared.client.refusals import refusal
from shared.errors import GatewayAway, GatewayError, Misconfigured, Unanswered

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

FIRST_WAIT = 0.1
LONGEST_WAIT = 2.0
"""Seconds before a gateway that went away is asked again: doubling from the first."""
SILENCE = 45.0
"""Seconds without even a heartbeat after which a stream is dead."""
AGAIN = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. `id` is the log's sequence; live tokens, which are not stored, bear
    that of the last stored event before them, so that resuming there misses nothing."""

    name: str
    id: str
    data: dict[str, Any]


class _Bearer(httpx.Auth):
    """Sends the key to the gateway, and to nobody it points to. Says nothing of itself."""

    def __init__(self, key: str) -> None:
        self._said = f"Bearer {key}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        request.headers["Authorization"] = self._said
        yield request


class Connection:
    """Requests and streams of one gateway. Raises `Misconfigured` for what is no address."""

    def __init__(self, url: str, key: str, *, timeout: float, patience: float) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._met = False
        # A proxy set for the internet knows nothing of what listens on this machine.
        self._http = httpx.AsyncClient(
            base_url=self.url,
            timeout=timeout,
            trust_env=not is_here(self.url),
            auth=_Bearer(key) if key else None,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, method: str, path: str, **rest: Any) -> httpx.Response:  # noqa: ANN401  passed to httpx
        """The answer, once there is one. Raises `GatewayError`, `GatewayAway`, `Unanswered`."""
        waits, sent = Waits(self._patience), False
        while True:
            try:
                response = await self._http.request(method, path, **rest)
            except httpx.TransportError as error:
                # Only who changes something has to know whether what was sent has been done.
                sent = sent or (method not in READS and not isinstance(error, NEVER_SENT))
                self._met = self._met or sent
                await self._wait(waits, Unanswered(self.url) if sent else error)
                continue
            self._met = True
            if response.is_success:
                return response
            if response.status_code not in AGAIN:
                raise refusal(response)
            await self._wait(waits, refusal(response))

    async def follow(self, path: str, last_event_id: str | None) -> AsyncGenerator[Event]:
        """A stream's events without end; a broken one is taken up where it stopped."""
        waits = Waits(self._patience)
        while True:
            try:
                async for event in self._stream(path, last_event_id):
                    last_event_id = event.id or last_event_id
                    if event.name:
                        waits.over()
                        yield event
            except httpx.TransportError as error:
                await self._wait(waits, error)
            except GatewayError as error:
                if error.status not in AGAIN:
                    raise
                await self._wait(waits, error)
            else:
                await self._wait(waits, GatewayAway(self.url))

    async def _stream(self, path: str, last_event_id: str | None) -> AsyncGenerator[Event]:
        """The events; one without a name is no event, but an id from which to resume."""
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        timeout = httpx.Timeout(self._http.timeout.connect, read=SILENCE)
        async with aconnect_sse(
            self._http, "GET", path, headers=headers, timeout=timeout
        ) as source:
            if not source.response.is_success:
                await source.response.aread()
                raise refusal(source.response)
            self._met = True
            try:
                async for sse in source.aiter_sse():
                    told = json.loads(sse.data) if sse.data else {}
                    yield Event(sse.event if sse.data else "", sse.id, told)
            except (SSEError, ValueError) as error:
                raise self._stranger() from error

    async def _wait(self, waits: Waits, error: httpx.TransportError | GatewayError) -> None:
        """Before the next try. Raises when there is none: a gateway never met is not waited for."""
        if self._met and await waits.once():
            return
        if isinstance(error, GatewayError):
            raise error
        raise GatewayAway(self.url) from error

    def one(self, response: httpx.Response) -> dict[str, Any]:
        """The answer as a JSON object. Raises `GatewayError` for anything else."""
        told = self._decoded(response)
        if not isinstance(told, dict):
            raise self._stranger()
        return told

    def many(self, response: httpx.Response) -> list[Any]:
        """The answer as a JSON list. Raises `GatewayError` for anything else."""
        told = self._decoded(response)
        if not isinstance(told, list):
            raise self._stranger()
        return told

    def _decoded(self, response: httpx.Response) -> Any:  # noqa: ANN401  JSON
        try:
            return response.json()
        except ValueError as error:
            raise self._stranger() from error

    def _stranger(self) -> GatewayError:
        return GatewayError(HTTPStatus.OK, f"what answers at {self.url} is no Galley gateway")


class Waits:
    """Growing pauses for at most `patience` seconds after the first failure in a row."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._deadline: float | None = None
        self._next = FIRST_WAIT

    def over(self) -> None:
        """It is there again: begin anew."""
        self._deadline, self._next = None, FIRST_WAIT

    async def once(self) -> bool:
        """Pause; False at once when the patience is used up."""
        now = asyncio.get_running_loop().time()
        if self._deadline is None:
            self._deadline = now + self._patience
        if now >= self._deadline:
            return False
        pause = min(self._next, self._deadline - now)
        self._next = min(2 * self._next, LONGEST_WAIT)
        await asyncio.sleep(pause)
        return True


def is_here(url: str) -> bool:
    """Whether this is an address of this machine. Raises `Misconfigured` for what is none."""
    try:
        parts = urlsplit(url)
        host, _ = httpx.URL(url).host, parts.port
    except (httpx.InvalidURL, ValueError) as error:
        raise Misconfigured(f"{url!r} is no address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise Misconfigured(f"{url!r} is no address: say http://HOST:PORT")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
