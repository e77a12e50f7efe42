"""Perplexity behind the port, over plain HTTP, in either of its two wire formats.

`agent` is the current API (the model is pinned, the search can be forced), `chat` the older one.
Neither is streamed on the wire: a request that asks for a stream gets its text in one piece.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

import httpx

from shared.domain.values import Usage
from shared.providers import perplexity_agent, perplexity_chat
from shared.providers.capped import IDENTITY, capped, refuse_packed
from shared.providers.endpoint import is_address, require_usable
from shared.providers.failures import (
    ErrorReply,
    Failed,
    Told,
    Verdict,
    disconnected,
    empty_answer,
    guarded,
    judge,
    timed_out,
    unsupported,
)
from shared.providers.port import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.domain.values import Source
    from shared.providers.port import OnText, Request

BASE_URL = "https://api.perplexity.ai"
DEADLINE = 120.0
CONNECT_SECONDS = 5.0
BODY_CAP = 8 * 1024 * 1024

type Wire = Literal["agent", "chat"]


class Format(Protocol):
    """One wire format: a module with a path and two functions."""

    PATH: str

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON to send."""
        ...

    def read(self, content: bytes, model: str, told: Told) -> tuple[Source, ...]:
        """Take a whole answer in; the sources it cites. Raises `Failed` unless it is complete."""
        ...


FORMATS: dict[Wire, Format] = {"agent": perplexity_agent, "chat": perplexity_chat}


class Perplexity:
    """The `Model` that searches the web."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        wire: Wire = "agent",
        deadline: float = DEADLINE,
        body_cap: int = BODY_CAP,
        key: str = "",
    ) -> None:
        self._client = client
        self._format = FORMATS[wire]
        self._deadline = deadline
        self._key = key
        self._body_cap = body_cap

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:
        async with guarded(self._deadline, _translate, self._key) as told:
            if request.ratio or request.size:
                raise Failed(unsupported("pictures"))
            content = await self._post(request, told)
            sources = self._format.read(content, request.model, told)
            if not told.text.strip():
                raise Failed(empty_answer())
            if request.stream and on_text is not None:
                await on_text(told.text)
            usage = told.usage or Usage(model=request.model)
            named = tuple(source for source in sources if is_address(source.url))
            return Answer(text=told.text, usage=usage, request_id=told.request_id, sources=named)

    async def _post(self, request: Request, told: Told) -> bytes:
        body = self._format.body(request)
        async with self._client.stream("POST", self._format.PATH, json=body) as response:
            refuse_packed(response.headers)
            content = b"".join(
                [part async for part in capped(response.aiter_raw(), self._body_cap)]
            )
        if not response.is_success:
            told.add(content.decode(errors="replace"))
            raise Failed(judge(_reply(response, content)))
        return content


@asynccontextmanager
async def connect(
    *,
    api_key: str,
    base_url: str = BASE_URL,
    wire: Wire = "agent",
    deadline: float = DEADLINE,
    body_cap: int = BODY_CAP,
) -> AsyncIterator[Perplexity]:
    """One client for the life of the process, closed at the end."""
    require_usable("Perplexity", api_key, base_url)
    client = httpx.AsyncClient(
        base_url=base_url,
        headers={"authorization": f"Bearer {api_key}", **IDENTITY},
        timeout=httpx.Timeout(deadline, connect=CONNECT_SECONDS),
        follow_redirects=False,
    )
    async with client:
        yield Perplexity(client, wire=wire, deadline=deadline, body_cap=body_cap, key=api_key)


def _translate(error: Exception) -> Verdict | None:
    match error:
        case httpx.TimeoutException():
            return timed_out(f"{type(error).__name__}: {error}", error)
        case httpx.TransportError():
            return disconnected(error)
        case _:
            return None


def _reply(response: httpx.Response, content: bytes) -> ErrorReply:
    told = _error_in(content)
    return ErrorReply(
        status=response.status_code,
        kind=str(told.get("type") or ""),
        error_code=str(told.get("code") or ""),
        message=str(told.get("message") or ""),
        headers=response.headers,
        request_id=response.headers.get("x-request-id"),
    )


def _error_in(content: bytes) -> dict[str, Any]:
    """The `error` object of a refusal; gateways and proxies answer with anything at all."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}
