"""A typed client of the gateway that never does a thing twice and never loses an event of a stream.

async with Gateway("http://127.0.0.1:8080") as galley:
    post = await galley.create("How to Train a Puppy")
    async for event in galley.follow(post["id"]):
        print(event.name, event.data.get("message"))

A gateway that has answered once is given `patience` seconds to come back when it goes away: reads
are repeated, and so is what changes something, under one Idempotency-Key, so that it happens once.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import httpx
from httpx_sse import SSEError, aconnect_sse

from shared.errors import GatewayAway, GatewayError, Misconfigured

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from types import TracebackType

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


class Gateway:
    """The gateway's HTTP API.

    Methods raise `GatewayError` with what the gateway said, `GatewayAway` when nobody answers; the
    constructor raises `Misconfigured` for what is no address.
    """

    def __init__(self, url: str, *, timeout: float = 30.0, patience: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self._patience = patience
        self._met = False
        # A proxy set for the internet knows nothing of what listens on this machine.
        self._http = httpx.AsyncClient(
            base_url=self.url, timeout=timeout, trust_env=not _is_here(self.url)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def create(
        self,
        topic: str,
        *,
        gates: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Create a post; it starts by itself unless all six gates are closed.

        `fields` are the further fields of a post, as in the API's description. The same
        `idempotency_key` always gives the same post.
        """
        body = {"topic": topic, "stage_settings": dict(gates or {}), **(fields or {})}
        return await self._change("/api/posts", body, idempotency_key)

    async def control(
        self, post_id: str, action: str, *, idempotency_key: str | None = None, **body: object
    ) -> dict[str, Any]:
        """`action`: run, run-all, rerun/<stage>, approve, reject, pause, resume, cancel,
        restart."""
        path = f"/api/posts/{post_id}/{action}"
        return await self._change(path, _given(body), idempotency_key)

    async def post(self, post_id: str, *, min_seq: int | None = None) -> dict[str, Any]:
        """The whole post; with `min_seq`, not older than that sequence."""
        answer = await self._read(f"/api/posts/{post_id}", {"min_seq": min_seq})
        return self._object(answer)

    async def posts(self, **filters: object) -> dict[str, Any]:
        """A page of posts without their texts: `items`, `total`, `page`, `per_page`."""
        return self._object(await self._read("/api/posts", filters))

    async def logs(
        self, post_id: str, *, level: Sequence[str] = (), stage: str | None = None
    ) -> list[dict[str, Any]]:
        """The execution log, oldest first: the whole of it, page by page."""
        found: list[dict[str, Any]] = []
        path, asked = f"/api/posts/{post_id}/logs", {"level": list(level), "stage": stage}
        while page := self._list(await self._read(path, {**asked, "after": _last(found)})):
            found += page
        return found

    async def calls(self, post_id: str) -> list[dict[str, Any]]:
        """Every attempt of every paid call, and what it cost."""
        return self._list(await self._read(f"/api/posts/{post_id}/calls"))

    async def export(self, post_id: str, form: str = "all") -> bytes:
        """`form`: all (a ZIP), markdown or html."""
        return (await self._read(f"/api/posts/{post_id}/export/{form}")).content

    async def health(self) -> dict[str, Any]:
        """That it answers, and which providers are simulated."""
        return self._object(await self._read("/health"))

    async def follow(self, post_id: str, last_event_id: str | None = "0") -> AsyncGenerator[Event]:
        """The post's events after `last_event_id`, live, until closed.

        "0" begins at the very beginning, None with a `snapshot` of the post as it is now. A broken
        stream is taken up where it stopped. `reset` says that the log is another one than before:
        forget everything, a `snapshot` follows.
        """
        waits = _Waits(self._patience)
        while True:
            try:
                async for event in self._stream(post_id, last_event_id):
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

    async def _stream(self, post_id: str, last_event_id: str | None) -> AsyncIterator[Event]:
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        timeout = httpx.Timeout(self._http.timeout.connect, read=SILENCE)
        path = f"/api/events/{post_id}"
        async with aconnect_sse(
            self._http, "GET", path, headers=headers, timeout=timeout
        ) as source:
            if not source.response.is_success:
                await source.response.aread()
                raise _refusal(source.response)
            self._met = True
            try:
                async for sse in source.aiter_sse():
                    if sse.data:
                        yield Event(sse.event, sse.id, json.loads(sse.data))
            except (SSEError, ValueError) as error:
                raise self._stranger() from error

    async def _read(self, path: str, params: Mapping[str, object] | None = None) -> httpx.Response:
        return await self._send("GET", path, params=_given(params or {}))

    async def _change(self, path: str, body: object, key: str | None) -> dict[str, Any]:
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(16)}
        return self._object(await self._send("POST", path, json=body, headers=headers))

    async def _send(self, method: str, path: str, **rest: Any) -> httpx.Response:  # noqa: ANN401  passed to httpx
        waits = _Waits(self._patience)
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
                raise _refusal(response)
            await self._wait(waits, _refusal(response))

    async def _wait(self, waits: _Waits, error: httpx.TransportError | GatewayError) -> None:
        """Before the next try. Raises when there is none: a gateway never met is not waited for."""
        if self._met and await waits.once():
            return
        if isinstance(error, GatewayError):
            raise error
        raise GatewayAway(self.url) from error

    def _object(self, response: httpx.Response) -> dict[str, Any]:
        told = self._decoded(response)
        if not isinstance(told, dict):
            raise self._stranger()
        return told

    def _list(self, response: httpx.Response) -> list[dict[str, Any]]:
        told = self._decoded(response)
        if not isinstance(told, list):
            raise self._stranger()
        return told

    def _decoded(self, response: httpx.Response) -> object:
        try:
            return response.json()
        except ValueError as error:
            raise self._stranger() from error

    def _stranger(self) -> GatewayError:
        return GatewayError(HTTPStatus.OK, f"what answers at {self.url} is no Galley gateway")


class _Waits:
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


def _is_here(url: str) -> bool:
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


def _refusal(response: httpx.Response) -> GatewayError:
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


def _last(entries: Sequence[Mapping[str, Any]]) -> int:
    return int(entries[-1]["seq"]) if entries else 0


def _given(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
