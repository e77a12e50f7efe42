"""Gemini's picture models behind the port: one request, at least one picture, bytes as they came.

The only importer of `google.genai`. Its client is given an HTTP client of ours, because otherwise
it picks another stack whenever aiohttp is installed, and waits for ever. A block is final; a model
that merely drew nothing (no reason given, or the reason is that there is no picture) may draw the
next time, so those are transient and end with the policy's attempts.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
from google import genai
from google.genai import errors, types

from shared.domain.values import Usage
from shared.providers.endpoint import require_usable
from shared.providers.failures import (
    ErrorReply,
    Failed,
    Told,
    Verdict,
    disconnected,
    guarded,
    judge,
    reading,
    timed_out,
    unreadable,
    unsupported,
)
from shared.providers.port import Answer, Picture
from shared.providers.transport import MEBIBYTE, capped_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.providers.port import OnText, Request

BASE_URL = "https://generativelanguage.googleapis.com"
DEADLINE = 180.0
# A 4K PNG of noise is some 35 MB, a third more in base64.
BODY_CAP = 64 * MEBIBYTE
DREW_NOTHING = frozenset(
    {"", "stop", "no_image", "image_other", "other", "malformed_response", "unspecified"}
)


class Gemini:
    """The `Model` for pictures."""

    def __init__(self, client: genai.Client, *, deadline: float = DEADLINE, key: str = "") -> None:
        self._client = client
        self._deadline = deadline
        self._key = key

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:  # noqa: ARG002 (pictures have no text to stream)
        async with guarded(self._deadline, _translate, self._key) as told:
            _refuse_unsupported(request)
            response = await self._client.aio.models.generate_content(
                model=request.model, contents=request.prompt, config=_config(request)
            )
            with reading():
                pictures = _read(response, request.model, told)
            if not pictures:
                raise Failed(_without_picture(response))
            usage = told.usage or Usage(model=request.model)
            return Answer(
                text=told.text, usage=usage, request_id=told.request_id, pictures=tuple(pictures)
            )


@asynccontextmanager
async def connect(
    *,
    api_key: str,
    base_url: str = BASE_URL,
    deadline: float = DEADLINE,
    body_cap: int = BODY_CAP,
) -> AsyncIterator[Gemini]:
    """One client for the life of the process, closed at the end."""
    require_usable("Gemini", api_key, base_url)
    async with capped_client(body_cap, deadline) as http:
        options = types.HttpOptions(
            base_url=base_url,
            # What is not said here is read from the environment.
            api_version="v1",
            timeout=int(deadline * 1000),
            httpx_async_client=http,
        )
        client = genai.Client(vertexai=False, api_key=api_key, http_options=options)
        try:
            yield Gemini(client, deadline=deadline, key=api_key)
        finally:
            await client.aio.aclose()
            client.close()


def _config(request: Request) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        system_instruction=request.system or None,
        response_modalities=["IMAGE"],
        image_config=types.ImageConfig(
            aspect_ratio=request.ratio or None, image_size=request.size or None
        ),
        max_output_tokens=request.max_tokens or None,
        candidate_count=1,
        # Both would send further, separately billed requests behind our back.
        automatic_continuation=False,
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )


def _refuse_unsupported(request: Request) -> None:
    if request.search:
        raise Failed(unsupported("a web search"))
    if request.schema is not None:
        raise Failed(unsupported("structured answers"))


def _read(response: types.GenerateContentResponse, model: str, told: Told) -> list[Picture]:
    """The pictures of the answer; its usage, id and text go to `told`."""
    told.request_id = response.response_id or ""
    parts = [part for part in _parts(response) if not part.thought]
    for part in parts:
        told.add(part.text or "")
    pictures = [picture for part in parts if (picture := _picture(part)) is not None]
    told.usage = _usage(response.usage_metadata, model, drew=bool(pictures))
    told.final = told.usage is not None
    return pictures


def _parts(response: types.GenerateContentResponse) -> list[types.Part]:
    candidates = response.candidates or []
    content = candidates[0].content if candidates else None
    return (content.parts if content else None) or []


def _picture(part: types.Part) -> Picture | None:
    blob = part.inline_data
    if blob is None or not blob.data:
        return None
    return Picture(data=blob.data, media_type=blob.mime_type or "")


def _usage(
    figures: types.GenerateContentResponseUsageMetadata | None, model: str, *, drew: bool
) -> Usage | None:
    if figures is None:
        return None
    thinking = figures.thoughts_token_count or 0
    answered = figures.candidates_token_count or 0
    return Usage(
        model=model,
        tokens_in=(figures.prompt_token_count or 0) + (figures.tool_use_prompt_token_count or 0),
        tokens_out=answered + thinking,
        tokens_thinking=thinking,
        tokens_image=_image_tokens(figures, answered if drew else 0),
        cache_read=figures.cached_content_token_count or 0,
    )


def _image_tokens(figures: types.GenerateContentResponseUsageMetadata, otherwise: int) -> int:
    """Told by kind; an answer with a picture that tells no kinds is billed as a picture."""
    details = figures.candidates_tokens_details
    if not details:
        return otherwise
    image = [one for one in details if one.modality == types.MediaModality.IMAGE]
    return sum(one.token_count or 0 for one in image)


def _without_picture(response: types.GenerateContentResponse) -> Verdict:
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        return _blocked(_word(feedback.block_reason), feedback.block_reason_message)
    if not response.candidates:
        return unreadable("the answer has no candidates")
    candidate = response.candidates[0]
    return _ended(_word(candidate.finish_reason), candidate.finish_message)


def _ended(reason: str, message: str | None) -> Verdict:
    if reason == "max_tokens":
        message = "the limit was reached before a picture came"
        return Verdict(code="max_tokens", message=message, unsure=True)
    if reason in DREW_NOTHING:
        why = message or f"the answer holds no picture ({reason or 'no reason given'})"
        return Verdict(code="no_image", message=why, transient=True, unsure=True)
    return _blocked(reason, message)


def _blocked(reason: str, message: str | None) -> Verdict:
    return Verdict(code=reason, message=message or f"blocked: {reason}", unsure=True)


def _word(reason: types.FinishReason | types.BlockedReason | None) -> str:
    word = "" if reason is None else str(reason.value).lower()
    return "unspecified" if word.endswith("_unspecified") else word


def _translate(error: Exception) -> Verdict | None:
    match error:
        case errors.UnknownApiResponseError() | httpx2.DecodingError():
            return unreadable(str(error))
        case errors.APIError():
            return judge(_reply(error))
        case httpx2.TimeoutException():
            return timed_out(f"{type(error).__name__}: {error}", error)
        case httpx2.TransportError():
            return disconnected(error)
        case _:
            return None


def _reply(error: errors.APIError) -> ErrorReply:
    body = error.details if isinstance(error.details, dict) else {}
    inner = body.get("error")
    details = inner.get("details") if isinstance(inner, dict) else None
    return ErrorReply(
        status=error.code if isinstance(error.code, int) else 0,
        kind=str(error.status or ""),
        message=str(error.message or ""),
        headers=_headers(error.response),
        details=[one for one in details if isinstance(one, dict)]
        if isinstance(details, list)
        else [],
    )


def _headers(response: Any) -> dict[str, str]:  # noqa: ANN401 (any of four HTTP libraries)
    return dict(response.headers) if isinstance(response, httpx2.Response) else {}
