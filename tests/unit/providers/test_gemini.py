"""Gemini over real HTTP: a picture or a failure, with one request, whatever the answer is."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import Misconfigured, Permanent, ProviderError, Transient
from shared.providers import gemini
from shared.providers.port import Request
from tests.unit.providers.scripted import Scripted, reply, scripted

if TYPE_CHECKING:
    from shared.providers.port import Answer

ASK = Request(
    provider="gemini",
    model="gemini-3.1-flash-image",
    prompt="A puppy.",
    ratio="16:9",
    size="1K",
)
BYTES = bytes(range(256))
INLINE = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(BYTES).decode()}}
USAGE = {
    "promptTokenCount": 12,
    "candidatesTokenCount": 1_300,
    "thoughtsTokenCount": 100,
    "candidatesTokensDetails": [
        {"modality": "IMAGE", "tokenCount": 1_290},
        {"modality": "TEXT", "tokenCount": 10},
    ],
}


def drew(*parts: dict[str, Any], reason: str = "STOP", **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}
    return {"candidates": [candidate], "usageMetadata": USAGE, "responseId": "r-1", **more}


async def ask(server: Scripted, request: Request = ASK, **settings: Any) -> Answer:
    async with gemini.connect(api_key="key-1", base_url=server.url, **settings) as model:
        return await model.call(request)


async def failing(*say: bytes, request: Request = ASK, **settings: Any) -> ProviderError:
    async with scripted(*say) as server:
        with pytest.raises(ProviderError) as caught:
            await ask(server, request, **settings)
        assert len(server.asked) <= 1
    return caught.value


async def test_a_picture_comes_as_it_was_sent_with_its_whole_usage():
    async with scripted(reply(drew({"text": "Here."}, INLINE))) as server:
        answer = await ask(server)
    assert [(one.data, one.media_type) for one in answer.pictures] == [(BYTES, "image/png")]
    assert (answer.text, answer.request_id) == ("Here.", "r-1")
    assert (answer.usage.tokens_in, answer.usage.tokens_out) == (12, 1_400)
    assert (answer.usage.tokens_image, answer.usage.tokens_thinking) == (1_290, 100)
    assert answer.usage.model == "gemini-3.1-flash-image"


async def test_what_is_sent_asks_for_one_picture_of_that_shape():
    async with scripted(reply(drew(INLINE))) as server:
        await ask(server)
    sent = server.asked[0]
    assert sent.path == "/v1/models/gemini-3.1-flash-image:generateContent"
    assert sent.headers["x-goog-api-key"] == "key-1"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.json()["contents"] == [{"parts": [{"text": "A puppy."}], "role": "user"}]
    assert sent.json()["generationConfig"] == {
        "candidateCount": 1,
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "1K"},
    }


async def test_a_draft_the_model_drew_while_thinking_is_not_the_picture():
    thought = {"thought": True, **INLINE}
    error = await failing(reply(drew(thought)))
    assert error.code == "no_image"
    async with scripted(reply(drew(thought, INLINE))) as server:
        assert len((await ask(server)).pictures) == 1


async def test_a_picture_whose_tokens_are_not_told_by_kind_is_billed_as_a_picture():
    usage = {"promptTokenCount": 12, "candidatesTokenCount": 1_290}
    async with scripted(reply(drew(INLINE, usageMetadata=usage))) as server:
        assert (await ask(server)).usage.tokens_image == 1_290


async def test_a_picture_without_usage_is_still_a_picture():
    told = drew(INLINE)
    del told["usageMetadata"]
    async with scripted(reply(told)) as server:
        answer = await ask(server)
    assert (answer.usage.model, answer.usage.tokens_out) == ("gemini-3.1-flash-image", 0)


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("IMAGE_SAFETY", Permanent, "image_safety"),
        ("SAFETY", Permanent, "safety"),
        ("PROHIBITED_CONTENT", Permanent, "prohibited_content"),
        ("IMAGE_PROHIBITED_CONTENT", Permanent, "image_prohibited_content"),
        ("IMAGE_RECITATION", Permanent, "image_recitation"),
        ("MAX_TOKENS", Permanent, "max_tokens"),
        ("NO_IMAGE", Transient, "no_image"),
        ("IMAGE_OTHER", Transient, "no_image"),
        ("OTHER", Transient, "no_image"),
        ("FINISH_REASON_UNSPECIFIED", Transient, "no_image"),
        ("STOP", Transient, "no_image"),
    ],
)
async def test_no_picture_is_a_failure_named_by_its_reason(
    reason: str, kind: type[ProviderError], code: str
):
    error = await failing(reply(drew({"text": "No."}, reason=reason)))
    assert type(error) is kind
    assert (error.code, error.raw) == (code, "No.")
    assert error.usage is not None
    assert error.usage.tokens_in == 12


@pytest.mark.filterwarnings("ignore:.* is not a valid FinishReason")
async def test_a_reason_nobody_knows_yet_is_final():
    error = await failing(reply(drew(reason="IMAGE_TASTELESS")))
    assert (type(error), error.code) == (Permanent, "image_tasteless")


async def test_a_blocked_prompt_is_final():
    told = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": USAGE}
    error = await failing(reply(told))
    assert (type(error), error.code) == (Permanent, "prohibited_content")
    assert error.usage is not None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>hello</html>",
        b'{"candidates": [{"con',
        b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "!!!"}}]}}]}',
        b"\xff\xfe",
    ],
)
async def test_an_answer_that_makes_no_sense_is_worth_another_try(body: bytes):
    error = await failing(reply(body))
    assert isinstance(error, Transient)
    assert error.code in {"unreadable_answer", "no_image"}


async def test_a_continuation_is_not_asked_for():
    told = drew(INLINE, reason="CONTINUATION")
    told["candidates"][0]["continuationToken"] = base64.b64encode(b"more").decode()
    async with scripted(reply(told)) as server:
        await ask(server, deadline=5.0)
        assert len(server.asked) == 1


async def test_a_quota_names_its_delay():
    quota = {"violations": [{"quotaId": "RequestsPerMinute"}]}
    body = {
        "error": {
            "code": 429,
            "message": "Slow down",
            "status": "RESOURCE_EXHAUSTED",
            "details": [quota, {"retryDelay": "17s"}],
        }
    }
    error = await failing(reply(body, status=429))
    assert isinstance(error, Transient)
    assert (error.code, error.retry_after, str(error)) == ("rate_limited", 17.0, "Slow down")


async def test_a_daily_quota_is_final():
    quota = {"violations": [{"quotaId": "RequestsPerDayPerProject"}]}
    body = {"error": {"code": 429, "details": [quota, {"retryDelay": "17s"}]}}
    error = await failing(reply(body, status=429))
    assert (type(error), error.code) == (Permanent, "daily_quota")


async def test_a_bad_key_is_called_so():
    info = {"reason": "API_KEY_INVALID"}
    body = {"error": {"code": 400, "message": "API key not valid", "details": [info]}}
    error = await failing(reply(body, status=400))
    assert (type(error), error.code) == (Permanent, "authentication_error")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"error": "no"}', b'"no"'])
@pytest.mark.parametrize(("status", "kind"), [(502, Transient), (403, Permanent)])
async def test_an_error_in_a_gateway_s_words_is_judged_by_its_status(
    body: bytes, status: int, kind: type[ProviderError]
):
    error = await failing(reply(body, status=status, kind="text/html"))
    assert type(error) is kind
    assert error.status == status


async def test_a_body_over_the_cap_is_not_read_to_its_end():
    error = await failing(reply(drew(INLINE) | {"pad": "x" * 100_000}), body_cap=5_000)
    assert (type(error), error.code) == (Permanent, "too_large")


async def test_a_cut_body_is_a_connection_failure():
    error = await failing(reply(drew(INLINE), length=1_000_000))
    assert (type(error), error.code) == (Transient, "connection")


async def test_a_redirect_is_not_followed():
    async with scripted(reply(drew(INLINE))) as other:
        error = await failing(reply(b"", status=302, location=other.url))
        assert (type(error), error.code) == (Permanent, "http_302")
        assert other.asked == []


async def test_the_deadline_ends_a_call_that_hangs():
    async with scripted(hang=True) as server:
        with pytest.raises(Transient) as caught:
            await ask(server, deadline=0.3)
        await server.left.wait()
    assert caught.value.code == "timeout"


async def test_cancelling_the_call_closes_the_connection():
    async with (
        scripted(hang=True) as server,
        gemini.connect(api_key="k", base_url=server.url) as model,
    ):
        task = asyncio.create_task(model.call(ASK))
        await server.said.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.left.wait()


@pytest.mark.parametrize("extra", [{"search": True}, {"schema": {"type": "object"}}])
async def test_what_a_picture_model_cannot_do_is_refused_before_anything_is_sent(
    extra: dict[str, Any],
):
    request = Request(provider="gemini", model="m", prompt="p", **extra)
    async with scripted(reply(drew(INLINE))) as server:
        with pytest.raises(Permanent) as caught:
            await ask(server, request)
        assert server.asked == []
    assert caught.value.code == "unsupported_request"


async def test_an_environment_made_for_another_client_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_API_KEY", "somebody-else")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "beta")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with scripted(reply(drew(INLINE))) as server:
        await ask(server)
    assert server.asked[0].path == "/v1/models/gemini-3.1-flash-image:generateContent"
    assert server.asked[0].headers["x-goog-api-key"] == "key-1"


async def test_no_key_refuses_to_start():
    with pytest.raises(Misconfigured, match="Gemini"):
        async with gemini.connect(api_key=""):
            pass
