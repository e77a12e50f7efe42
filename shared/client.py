"""A thin, typed client of the gateway: everything a program needs to use Galley from outside.

async with Gateway("http://127.0.0.1:8080") as galley:
    post = await galley.create("How to Train a Puppy")
    async for event in galley.follow(post["id"]):
        print(event.name, event.data.get("message"))
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import httpx
from httpx_sse import SSEError, aconnect_sse

from shared.errors import GatewayAway, GatewayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from types import TracebackType

RECONNECT_WAIT = 0.5
"""Seconds before a stream that broke is taken up again where it stopped."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event. `id` is the log's sequence, empty for what is not stored (live
    tokens)."""

    name: str
    id: str
    data: dict[str, Any]


class Gateway:
    """The gateway's HTTP API. Methods raise `GatewayError` with what the gateway said."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.url, timeout=timeout)

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

        `fields` are the further fields of a post, as in the API's description.
        """
        body = {"topic": topic, "stage_settings": dict(gates or {}), **(fields or {})}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return await self._json("POST", "/api/posts", json=body, headers=headers)

    async def post(self, post_id: str, *, min_seq: int | None = None) -> dict[str, Any]:
        """The whole post; with `min_seq`, not older than that sequence."""
        params = {} if min_seq is None else {"min_seq": min_seq}
        return await self._json("GET", f"/api/posts/{post_id}", params=params)

    async def posts(self, **filters: object) -> dict[str, Any]:
        return await self._json("GET", "/api/posts", params=_given(filters))

    async def logs(
        self, post_id: str, *, level: Sequence[str] = (), stage: str | None = None
    ) -> list[dict[str, Any]]:
        """The execution log, oldest first."""
        params = _given({"level": list(level), "stage": stage})
        answer = await self._send("GET", f"/api/posts/{post_id}/logs", params=params)
        entries: list[dict[str, Any]] = answer.json()
        return entries

    async def control(self, post_id: str, action: str, **body: object) -> dict[str, Any]:
        """`action`: run, run-all, rerun/<stage>, approve, reject, pause, resume, cancel,
        restart."""
        return await self._json("POST", f"/api/posts/{post_id}/{action}", json=_given(body))

    async def export(self, post_id: str, form: str = "all") -> bytes:
        """`form`: all (a ZIP), markdown or html."""
        return (await self._send("GET", f"/api/posts/{post_id}/export/{form}")).content

    async def health(self) -> dict[str, Any]:
        return await self._json("GET", "/health")

    async def follow(self, post_id: str, last_event_id: str = "0") -> AsyncIterator[Event]:
        """The post's events from `last_event_id` on ("0": from the beginning), live, until closed.

        A broken stream is taken up again at the last event seen.
        """
        while True:
            try:
                async for event in self._stream(post_id, last_event_id):
                    last_event_id = event.id or last_event_id
                    yield event
            except (httpx.TransportError, SSEError):
                await asyncio.sleep(RECONNECT_WAIT)
                await self.health()

    async def _stream(self, post_id: str, last_event_id: str) -> AsyncIterator[Event]:
        headers = {"Last-Event-ID": last_event_id}
        timeout = httpx.Timeout(self._http.timeout.connect, read=45.0)
        path = f"/api/events/{post_id}"
        async with aconnect_sse(
            self._http, "GET", path, headers=headers, timeout=timeout
        ) as source:
            if source.response.is_error:
                await source.response.aread()
                raise _refusal(source.response)
            async for sse in source.aiter_sse():
                if not sse.data:
                    continue
                yield Event(sse.event, sse.id, json.loads(sse.data))

    async def _json(self, method: str, path: str, **rest: Any) -> dict[str, Any]:  # noqa: ANN401  passed to httpx
        answer: dict[str, Any] = (await self._send(method, path, **rest)).json()
        return answer

    async def _send(self, method: str, path: str, **rest: Any) -> httpx.Response:  # noqa: ANN401  passed to httpx
        try:
            response = await self._http.request(method, path, **rest)
        except httpx.TransportError as error:
            raise GatewayAway(self.url) from error
        if response.is_error:
            raise _refusal(response)
        return response


def _refusal(response: httpx.Response) -> GatewayError:
    """What the gateway said, in its own words where it used any."""
    try:
        told = response.json()
        said = told.get("detail") or told.get("title")
    except (ValueError, AttributeError):
        said = None
    return GatewayError(response.status_code, str(said or HTTPStatus(response.status_code).phrase))


def _given(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
