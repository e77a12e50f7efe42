"""Claude over real HTTP: what is sent, what is read, and every odd answer in between."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import Misconfigured, Permanent, ProviderError, Transient
from shared.providers import claude
from shared.providers.port import Request
from tests.unit.providers.scripted import Scripted, events, reply, scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.providers.port import Answer

ASK = Request(provider="claude", model="claude-sonnet-5-5", prompt="Write.", max_tokens=900)
STREAM = Request(provider="claude", model="claude-sonnet-5-5", prompt="Write.", stream=True)
USAGE = {"input_tokens": 10, "output_tokens": 5}
SAID: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-5-5",
    "content": [
        {"type": "thinking", "thinking": "", "signature": "s"},
        {"type": "text", "text": "Hello"},
        {"type": "text", "text": " world"},
    ],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USAGE,
}
START = {"type": "message_start", "message": {**SAID, "content": [], "stop_reason": None}}
THINK = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "thinking_delta", "thinking": "hm"},
}
END = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}},
}
STOP = {"type": "message_stop"}


def text(piece: str) -> dict[str, Any]:
    delta = {"type": "text_delta", "text": piece}
    return {"type": "content_block_delta", "index": 1, "delta": delta}


async def ask(
    server: Scripted,
    request: Request = ASK,
    on_text: Callable[[str], Awaitable[None]] | None = None,
    **settings: Any,
) -> Answer:
    async with claude.connect(api_key="key-1", base_url=server.url, **settings) as model:
        return await model.call(request, on_text)


async def failing(*say: bytes, request: Request = ASK, **settings: Any) -> ProviderError:
    async with scripted(*say) as server:
        with pytest.raises(ProviderError) as caught:
            await ask(server, request, **settings)
        assert len(server.asked) <= 1
    return caught.value


async def test_the_text_is_picked_by_kind_and_the_usage_is_whole():
    figures = {
        "input_tokens": 100,
        "cache_creation_input_tokens": 50,
        "cache_read_input_tokens": 8_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 30},
        "output_tokens": 70,
        "output_tokens_details": {"thinking_tokens": 40},
    }
    async with scripted(reply({**SAID, "usage": figures}, request_id="req_7")) as server:
        answer = await ask(server)
    assert answer.text == "Hello world"
    assert answer.request_id == "req_7"
    assert answer.usage.model == "claude-sonnet-5-5"
    assert (answer.usage.tokens_in, answer.usage.tokens_out) == (8_150, 70)
    assert (answer.usage.cache_read, answer.usage.cache_write) == (8_000, 20)
    assert (answer.usage.cache_write_1h, answer.usage.tokens_thinking) == (30, 40)
    assert answer.usage.cost_usd is None


async def test_only_what_current_models_accept_is_sent():
    async with scripted(reply(SAID)) as server:
        await ask(server)
    sent = server.asked[0]
    assert sent.path == "/v1/messages"
    assert sent.headers["authorization"] == "Bearer key-1"
    assert sent.headers["accept-encoding"] == "identity"
    assert sent.json() == {
        "model": "claude-sonnet-5-5",
        "max_tokens": 900,
        "messages": [{"role": "user", "content": "Write."}],
    }


async def test_system_effort_and_schema_go_where_the_api_wants_them():
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}},
        "required": ["n"],
    }
    request = Request(
        provider="claude", model="m", prompt="p", system="Be brief.", effort="low", schema=schema
    )
    before = json.dumps(schema)
    async with scripted(reply(SAID)) as server:
        await ask(server, request)
    sent = server.asked[0].json()
    assert sent["system"] == "Be brief."
    assert sent["output_config"]["effort"] == "low"
    assert "thinking" not in sent
    shape = sent["output_config"]["format"]
    assert shape["type"] == "json_schema"
    assert shape["schema"]["additionalProperties"] is False
    assert "minimum" not in shape["schema"]["properties"]["n"]
    assert sent["max_tokens"] == claude.UNLIMITED
    assert json.dumps(schema) == before


async def test_a_stream_arrives_piece_by_piece_and_its_last_figures_count():
    pieces: list[str] = []

    async def on_text(piece: str) -> None:
        pieces.append(piece)

    told = events(START, THINK, text("Once"), text(" upon"), END, STOP, request_id="req_9")
    async with scripted(told) as server:
        answer = await ask(server, STREAM, on_text)
    assert pieces == ["Once", " upon"]
    assert answer.text == "Once upon"
    assert answer.request_id == "req_9"
    assert server.asked[0].json()["stream"] is True
    assert (answer.usage.tokens_in, answer.usage.tokens_out) == (10, 40)
    assert answer.usage.tokens_thinking == 30


async def test_a_stream_needs_no_listener():
    async with scripted(events(START, text("Once"), END, STOP)) as server:
        assert (await ask(server, STREAM)).text == "Once"


async def test_the_last_figures_replace_the_input_too_where_they_are_given():
    usage = {"output_tokens": 40, "input_tokens": 25, "cache_read_input_tokens": 100}
    async with scripted(events(START, text("Once"), {**END, "usage": usage}, STOP)) as server:
        answer = await ask(server, STREAM)
    assert (answer.usage.tokens_in, answer.usage.cache_read) == (125, 100)


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("max_tokens", Permanent, "max_tokens"),
        ("model_context_window_exceeded", Permanent, "max_tokens"),
        ("refusal", Permanent, "refusal"),
        ("pause_turn", Permanent, "unexpected_stop"),
        ("tool_use", Permanent, "unexpected_stop"),
        ("something_new", Permanent, "unexpected_stop"),
        (None, Transient, "cut_off"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_did_not_end_well_is_a_failure_that_was_paid(
    reason: str | None, kind: type[ProviderError], code: str, *, streamed: bool
):
    end = {**END, "delta": {"stop_reason": reason, "stop_sequence": None}}
    told = events(START, text("Hello world"), end, STOP)
    if not streamed:
        told = reply({**SAID, "stop_reason": reason})
    error = await failing(told, request=STREAM if streamed else ASK)
    assert type(error) is kind
    assert error.code == code
    assert error.raw == "Hello world"
    assert error.usage is not None
    assert error.usage.tokens_out == (40 if streamed else 5)


@pytest.mark.parametrize("content", [[], [{"type": "text", "text": " \n"}], SAID["content"][:1]])
async def test_an_empty_answer_is_worth_another_try_and_was_paid(content: list[Any]):
    error = await failing(reply({**SAID, "content": content}))
    assert isinstance(error, Transient)
    assert (error.code, error.usage and error.usage.tokens_out) == ("empty_answer", 5)


async def test_a_refusal_without_content_is_a_refusal_not_an_empty_answer():
    error = await failing(reply({**SAID, "content": [], "stop_reason": "refusal"}))
    assert error.code == "refusal"


async def test_a_stream_that_ends_early_but_cleanly_is_cut_off_with_its_first_figures():
    error = await failing(events(START, text("Once")), request=STREAM)
    assert isinstance(error, Transient)
    assert (error.code, error.raw) == ("cut_off", "Once")
    assert error.usage is not None
    assert error.usage.tokens_in == 10


async def test_a_stream_whose_connection_breaks_keeps_its_first_figures():
    told = events(START, text("Once"), content_length="100000")
    error = await failing(told, request=STREAM)
    assert isinstance(error, Transient)
    assert (error.code, error.raw) == ("connection", "Once")
    assert error.usage is not None


async def test_an_error_in_mid_stream_is_judged_by_its_kind_and_keeps_the_figures():
    broken = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    error = await failing(events(START, text("Once"), broken, request_id="r"), request=STREAM)
    assert isinstance(error, Transient)
    assert (error.code, error.request_id, error.status) == ("overloaded", "r", 200)
    assert error.usage is not None
    final = {"type": "error", "error": {"type": "invalid_request_error", "message": "No"}}
    assert isinstance(await failing(events(START, final), request=STREAM), Permanent)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>hello</html>", b'{"id": "msg_1", "con', b"[]", b"{}", b"null", b"7", b"\xff\xfe"],
)
@pytest.mark.parametrize("request_", [ASK, STREAM], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/event-stream"])
async def test_an_answer_that_makes_no_sense_is_worth_another_try(
    body: bytes, request_: Request, kind: str
):
    error = await failing(reply(body, kind=kind), request=request_)
    assert isinstance(error, Transient)
    assert error.code == "unreadable_answer"


@pytest.mark.parametrize(
    "wrong",
    [
        {"usage": None},
        {"usage": {}},
        {"usage": {"input_tokens": "many", "output_tokens": 5}},
        {"content": None},
        {"content": "Hello"},
        {"content": [{"type": "text"}]},
        {"content": [{"type": "text", "text": 7}]},
    ],
)
async def test_a_message_with_misshapen_fields_is_unreadable(wrong: dict[str, Any]):
    error = await failing(reply({**SAID, **wrong}))
    assert (type(error), error.code) == (Transient, "unreadable_answer")


async def test_a_broken_frame_is_unreadable():
    broken = b"event: content_block_delta\ndata: {\n\n"
    error = await failing(events(START) + broken, request=STREAM)
    assert (type(error), error.code) == (Transient, "unreadable_answer")


async def test_a_status_is_judged_with_its_delay_and_request_id():
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    error = await failing(reply(body, status=429, retry_after="12", request_id="req_3"))
    assert isinstance(error, Transient)
    assert (error.code, error.status, error.retry_after) == ("rate_limited", 429, 12.0)
    assert (error.request_id, str(error)) == ("req_3", "Slow down")


async def test_a_redirect_is_not_followed():
    async with scripted(reply(SAID)) as other:
        moved = reply(b"", status=307, location=f"{other.url}/v1/messages")
        error = await failing(moved)
        assert (type(error), error.code) == (Permanent, "http_307")
        assert other.asked == []


@pytest.mark.parametrize("request_", [ASK, STREAM], ids=["whole", "streamed"])
async def test_a_body_over_the_cap_is_not_read_to_its_end(request_: Request):
    long = reply({**SAID, "content": [{"type": "text", "text": "x" * 200_000}]})
    told = events(START, *(text("x" * 1_000) for _ in range(200))) if request_.stream else long
    error = await failing(told, request=request_, body_cap=50_000)
    assert (type(error), error.code) == (Permanent, "too_large")


async def test_a_packed_answer_is_refused_before_it_is_unpacked():
    bomb = gzip.compress(b"0" * 10_000_000)
    error = await failing(reply(bomb, content_encoding="gzip"), body_cap=1_000_000)
    assert (type(error), error.code) == (Transient, "unreadable_answer")
    assert "content-encoding 'gzip'" in str(error)


@pytest.mark.parametrize("request_", [ASK, STREAM], ids=["whole", "streamed"])
async def test_the_deadline_covers_the_whole_call(request_: Request):
    start = events(START) if request_.stream else b"HTTP/1.1 200 OK\r\n"
    async with scripted(start, hang=True) as server:
        with pytest.raises(Transient) as caught:
            await ask(server, request_, deadline=0.3)
        await server.left.wait()
    assert caught.value.code == "timeout"
    assert (caught.value.usage is not None) is request_.stream


@pytest.mark.parametrize("request_", [ASK, STREAM], ids=["whole", "streamed"])
async def test_cancelling_the_call_closes_the_connection(request_: Request):
    start = events(START, text("Once")) if request_.stream else b""
    async with (
        scripted(start, hang=True) as server,
        claude.connect(api_key="k", base_url=server.url) as model,
    ):
        task = asyncio.create_task(model.call(request_))
        await server.said.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.left.wait()


async def test_nobody_listening_is_a_connection_failure():
    async with scripted() as server:
        pass
    with pytest.raises(Transient) as caught:
        await ask(server)
    assert caught.value.code == "connection"


async def test_a_listener_that_fails_is_our_bug_not_the_provider_s_failure():
    async def on_text(piece: str) -> None:
        raise TimeoutError(piece)

    async with scripted(events(START, text("Once"), END, STOP)) as server:
        with pytest.raises(Permanent) as caught:
            await ask(server, STREAM, on_text)
    assert caught.value.code == "bug_TimeoutError"


async def test_text_that_cannot_be_sent_is_a_final_failure_and_sends_nothing():
    async with scripted(reply(SAID)) as server:
        with pytest.raises(Permanent) as caught:
            await ask(server, Request(provider="claude", model="m", prompt="\ud800"))
        assert server.asked == []
    assert caught.value.code == "bug_UnicodeEncodeError"


@pytest.mark.parametrize("extra", [{"search": True}, {"ratio": "16:9"}, {"size": "1K"}])
async def test_what_claude_cannot_do_is_refused_before_anything_is_sent(extra: dict[str, Any]):
    request = Request(provider="claude", model="m", prompt="p", **extra)
    async with scripted(reply(SAID)) as server:
        with pytest.raises(Permanent) as caught:
            await ask(server, request)
        assert server.asked == []
    assert caught.value.code == "unsupported_request"


async def test_concurrent_streams_do_not_mix():
    async with (
        scripted(events(START, text("Once"), text(" upon"), END, STOP)) as server,
        claude.connect(api_key="k", base_url=server.url) as model,
    ):
        answers = await asyncio.gather(*(model.call(STREAM) for _ in range(20)))
    assert {answer.text for answer in answers} == {"Once upon"}
    assert len(server.asked) == 20


@pytest.mark.parametrize("key", ["", "two\nlines", "a blank", "naïve", "tab\t"])
async def test_a_key_that_no_header_can_carry_is_refused_and_never_shown(key: str):
    with pytest.raises(Misconfigured) as caught:
        async with claude.connect(api_key=key):
            pass
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://x", "http://", "/anthropic"])
async def test_an_address_that_is_none_is_refused(url: str):
    with pytest.raises(Misconfigured, match="address of Claude"):
        async with claude.connect(api_key="k", base_url=url):
            pass
