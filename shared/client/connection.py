"""A connection to a gateway that comes and goes: asked again while it is away, never asked twice.

A gateway that has answered once is given `patience` seconds to come back; what was refused for a
reason is not asked again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from httpx_sse import SSEError, aconnect_sse

from shared.errors import GatewayAway, GatewayError, Misconfigured

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

FIRST_WAIT = 0.1
LONGEST_WAIT = 2.0
"""Seconds before a gateway that went away is asked again: doubling from the first."""
SILENCE = 45.0
"""Seconds without even a heartbeat after which a stream is dead."""
AGAIN = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)
MOST_PROBLEMS = 3


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. `id` is the log's sequence; live tokens, which are not stored, bear
    that of the last stored event before them, so that resuming there misses nothing."""

    name: str
    id: str
    data: dict[str, Any]


class Connection:
    """Requests and streams of one gateway. Raises `Misconfigured` for what is no address."""

    def __init__(self, url: str, *, timeout: float, patience: float) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._met = False
        # A proxy set for the internet knows nothing of what listens on this machine.
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=timeout, trust_env=not is_here(self.url)
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, method: str, path: str, **rest: Any) -> httpx.Response:  # noqa: ANN401  passed to httpx
        """The answer, once there is one. Raises `GatewayError`, `GatewayAway`."""
        waits = Waits(self._patience)
        while True:
            try:
                response = await self._http.request(method, path, **rest)
            except httpx.TransportError as error:
                await self._wait(waits, error)
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
                    if sse.data:
                        yield Event(sse.event, sse.id, json.loads(sse.data))
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

    def many(self, response: httpx.Response) -> list[dict[str, Any]]:
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


def refusal(response: httpx.Response) -> GatewayError:
    """What the gateway said, in its own words where it used any."""
    try:
        told = response.json()
    except ValueError:
        told = None
    status = response.status_code
    if not isinstance(told, dict) or not told.get("detail"):
        return GatewayError(status, f"the gateway answered {status} {response.reason_phrase}")
    return GatewayError(status, _problems(told) or str(told["detail"]))


def _problems(told: Mapping[str, Any]) -> str:
    """Which fields are wrong, and how; empty when the gateway named none."""
    found = told.get("errors")
    if not isinstance(found, list) or not found:
        return ""
    sentences = [_problem(each) for each in found[:MOST_PROBLEMS] if isinstance(each, dict)]
    more = f"; and {len(found) - MOST_PROBLEMS} more" if len(found) > MOST_PROBLEMS else ""
    return "; ".join(sentences) + more


def _problem(each: Mapping[str, Any]) -> str:
    # The first word says where in the request the field is, which is the client's business.
    place = str(each.get("field", "")).partition(".")[2]
    return f"{place}: {str(each.get('problem', '')).removeprefix('Value error, ')}"
