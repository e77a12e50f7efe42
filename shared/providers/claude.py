"""Claude behind the port: one request per call, whole answers only, usage of failed ones too.

The only importer of `anthropic`. Nothing about thinking or sampling is sent: current models refuse
it. An answer may begin with a thinking block, so text is picked by block type, never by position.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anthropic
import httpx2
from anthropic.types import Message

from shared.domain.values import Usage
from shared.providers.endpoint import require_usable
from shared.providers.failures import (
    ErrorReply,
    Failed,
    Told,
    Verdict,
    cut_off,
    disconnected,
    empty_answer,
    guarded,
    judge,
    reading,
    timed_out,
    unreadable,
    unsupported,
)
from shared.providers.port import Answer
from shared.providers.transport import CONNECT_SECONDS, MEBIBYTE, capped_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anthropic.types import MessageDeltaUsage, RawMessageStreamEvent
    from anthropic.types import Usage as Figures

    from shared.providers.port import OnText, Request

BASE_URL = "https://api.anthropic.com"
DEADLINE = 300.0
BODY_CAP = 16 * MEBIBYTE
# The API wants a limit in every request; this one is the largest that fits the deadline.
UNLIMITED = 32_000
CUT_BY_LIMIT = frozenset({"max_tokens", "model_context_window_exceeded"})


class Claude:
    """The `Model` for every Claude."""

    def __init__(
        self, client: anthropic.AsyncAnthropic, *, deadline: float = DEADLINE, key: str = ""
    ) -> None:
        self._client = client
        self._deadline = deadline
        self._key = key

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:
        async with guarded(self._deadline, _translate, self._key) as told:
            _refuse_unsupported(request)
            if request.stream:
                stop = await self._streamed(request, on_text, told)
            else:
                stop = await self._whole(request, told)
            if told.usage is None:
                raise Failed(unreadable("the answer states no usage"))
            _require_complete(stop, told)
            return Answer(text=told.text, usage=told.usage, request_id=told.request_id)

    async def _whole(self, request: Request, told: Told) -> str | None:
        message = await self._client.messages.create(**_body(request))
        if not isinstance(message, Message):
            raise Failed(unreadable("the answer is no message"))
        with reading():
            told.request_id = message._request_id or message.id  # noqa: SLF001 (the SDK's own door)
            told.usage, told.final = _usage(request.model, message.usage), True
            for block in message.content:
                if block.type == "text":
                    told.add(block.text)
            return message.stop_reason

    async def _streamed(self, request: Request, on_text: OnText | None, told: Told) -> str | None:
        reader = _StreamReader(request.model, told)
        async with await self._client.messages.create(**_body(request), stream=True) as events:
            told.request_id = events.response.headers.get("request-id", "")
            async for event in events:
                piece = reader.read(event)
                if piece and on_text is not None:
                    await on_text(piece)
        if told.usage is None:
            raise Failed(unreadable("the answer is no stream of events"))
        return reader.stop_reason


class _StreamReader:
    """Gathers text, usage and stop reason from raw events: half the CPU of the SDK's own helper."""

    def __init__(self, model: str, told: Told) -> None:
        self._model = model
        self._told = told
        self.stop_reason: str | None = None

    def read(self, event: RawMessageStreamEvent) -> str:
        """Take one event in; the text it adds, if any."""
        with reading():
            match event.type:
                case "message_start":
                    self._told.usage = _usage(self._model, event.message.usage)
                case "message_delta":
                    self.stop_reason = event.delta.stop_reason
                    self._told.usage = _updated(self._told.usage, event.usage)
                    self._told.final = self._told.usage is not None
                case "content_block_start" if event.content_block.type == "text":
                    return self._gather(event.content_block.text)
                case "content_block_delta" if event.delta.type == "text_delta":
                    return self._gather(event.delta.text)
                case _:
                    pass
            return ""

    def _gather(self, piece: str) -> str:
        self._told.add(piece)
        return piece


@asynccontextmanager
async def connect(
    *,
    api_key: str,
    base_url: str = BASE_URL,
    deadline: float = DEADLINE,
    body_cap: int = BODY_CAP,
) -> AsyncIterator[Claude]:
    """One client for the life of the process, closed at the end."""
    require_usable("Claude", api_key, base_url)
    client = anthropic.AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        timeout=anthropic.Timeout(deadline, connect=CONNECT_SECONDS),
        max_retries=0,
        http_client=capped_client(body_cap, deadline),
    )
    async with client:
        yield Claude(client, deadline=deadline, key=api_key)


def _body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens or UNLIMITED,
        "messages": [{"role": "user", "content": request.prompt}],
    }
    if request.system:
        body["system"] = request.system
    if config := _output_config(request):
        body["output_config"] = config
    return body


def _output_config(request: Request) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.effort is not None:
        config["effort"] = request.effort
    if request.schema is not None:
        # The API knows no bounds on numbers, lists and text: they move into the descriptions.
        schema = anthropic.transform_schema(request.schema)
        config["format"] = {"type": "json_schema", "schema": schema}
    return config


def _refuse_unsupported(request: Request) -> None:
    if request.search:
        raise Failed(unsupported("a web search"))
    if request.ratio or request.size:
        raise Failed(unsupported("pictures"))


def _require_complete(stop_reason: str | None, told: Told) -> None:
    if stop_reason is None:
        raise Failed(cut_off("the answer ended before the model did"))
    if stop_reason in CUT_BY_LIMIT:
        raise Failed(Verdict(code="max_tokens", message=f"cut off by its limit: {stop_reason}"))
    if stop_reason == "refusal":
        raise Failed(Verdict(code="refusal", message="the model refused to answer"))
    if stop_reason not in {"end_turn", "stop_sequence"}:
        raise Failed(Verdict(code="unexpected_stop", message=f"stopped by {stop_reason}"))
    if not told.text.strip():
        raise Failed(empty_answer())


def _usage(model: str, figures: Figures) -> Usage:
    """Anthropic counts uncached, written and read input apart; we count all, and the parts."""
    written = figures.cache_creation_input_tokens or 0
    written_1h = figures.cache_creation.ephemeral_1h_input_tokens if figures.cache_creation else 0
    read = figures.cache_read_input_tokens or 0
    details = figures.output_tokens_details
    return Usage(
        model=model,
        tokens_in=figures.input_tokens + written + read,
        tokens_out=figures.output_tokens,
        tokens_thinking=details.thinking_tokens if details else 0,
        cache_read=read,
        cache_write=max(written - written_1h, 0),
        cache_write_1h=written_1h,
    )


def _updated(known: Usage | None, figures: MessageDeltaUsage) -> Usage | None:
    """The last figures count from the start: they replace the first ones where they are given."""
    if known is None:
        return None
    cached = known.cache_read + known.cache_write + known.cache_write_1h
    plain = _newer(figures.input_tokens, known.tokens_in - cached)
    read = _newer(figures.cache_read_input_tokens, known.cache_read)
    details = figures.output_tokens_details
    told = {
        "tokens_in": plain + read + known.cache_write + known.cache_write_1h,
        "cache_read": read,
        "tokens_out": figures.output_tokens,
        "tokens_thinking": details.thinking_tokens if details else known.tokens_thinking,
    }
    return known.model_copy(update=told)


def _newer(given: int | None, known: int) -> int:
    return known if given is None else given


def _translate(error: Exception) -> Verdict | None:
    match error:
        case anthropic.APIStatusError():
            return judge(_reply(error))
        case anthropic.APITimeoutError() | httpx2.TimeoutException():
            return timed_out(f"{type(error).__name__}: {error}", error)
        case anthropic.APIConnectionError() | httpx2.TransportError():
            return disconnected(error)
        case anthropic.APIResponseValidationError() | httpx2.DecodingError():
            return unreadable(str(error))
        case _:
            return None


def _reply(error: anthropic.APIStatusError) -> ErrorReply:
    return ErrorReply(
        status=error.status_code,
        kind=str(error.type or ""),
        error_code=str(error.error_code or ""),
        message=str(error.api_message or error.message),
        headers=error.response.headers,
        request_id=error.request_id,
    )
