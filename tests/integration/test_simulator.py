"""The unmodified SDKs against the simulator: every shape, every fault, and the journal."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import httpx2
import pytest
import pytest_asyncio
from google import genai
from google.genai import types
from google.genai.errors import ClientError, ServerError
from PIL import Image

from shared.domain.costs import price
from shared.domain.values import Usage
from shared.providers.prices import load_prices
from shared.simulator.app import simulator
from shared.simulator.serving import serving
from shared.simulator.settings import Pace, SimulatorSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES = load_prices()
PRICE = partial(price, PRICES)
SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"
PAINTER = "gemini-3.1-flash-image"
PROMPT = "Task: write\nTopic: How to Train a Puppy{marker}\nWord count: 400\n"
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "images": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "prompt": {"type": "string"},
                    "alt_text": {"type": "string"},
                    "placement": {"type": "string"},
                },
            },
        }
    },
}


@dataclass(frozen=True)
class Bench:
    """A running simulator, the three clients, and its own endpoints."""

    url: str
    claude: anthropic.AsyncAnthropic
    gemini: genai.Client
    perplexity: httpx.AsyncClient
    sim: httpx.AsyncClient

    async def write(self, marker: str = "", **more: Any) -> anthropic.types.Message:
        message: anthropic.types.Message = await self.claude.messages.create(
            model=more.pop("model", SONNET),
            max_tokens=more.pop("max_tokens", 16_000),
            messages=[{"role": "user", "content": PROMPT.format(marker=marker)}],
            **more,
        )
        return message

    async def stream(self, marker: str = "") -> anthropic.types.Message:
        async with self.claude.messages.stream(
            model=SONNET,
            max_tokens=16_000,
            messages=[{"role": "user", "content": PROMPT.format(marker=marker)}],
        ) as stream:
            return await stream.get_final_message()

    async def draw(self, prompt: str, ratio: str = "16:9") -> types.GenerateContentResponse:
        return await self.gemini.aio.models.generate_content(
            model=PAINTER,
            contents=prompt,
            config=types.GenerateContentConfig(
                response_modalities=["IMAGE"],
                image_config=types.ImageConfig(aspect_ratio=ratio, image_size="1K"),
                automatic_continuation=False,
            ),
        )

    async def chat(self, marker: str = "", **more: Any) -> httpx.Response:
        prompt = f"Task: research\nTopic: Espresso at Home{marker}"
        body = {"model": "sonar-pro", "messages": [{"role": "user", "content": prompt}], **more}
        return await self.perplexity.post("/chat/completions", json=body)

    async def agent(self, marker: str = "", **more: Any) -> httpx.Response:
        body = {
            "model": "perplexity/sonar",
            "input": f"Task: research\nTopic: Espresso at Home{marker}",
            "tools": [{"type": "web_search"}],
            "tool_choice": "required",
            "store": False,
            **more,
        }
        return await self.perplexity.post("/v1/responses", json=body)

    async def calls(self, **query: str) -> list[dict[str, Any]]:
        await self.sim.get("/__sim/idle")
        found: list[dict[str, Any]] = (await self.sim.get("/__sim/calls", params=query)).json()
        return found

    async def last(self) -> dict[str, Any]:
        return (await self.calls())[-1]


@asynccontextmanager
async def bench(settings: SimulatorSettings, key: str = "key-1234") -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(simulator(settings, PRICE)))
        claude = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=f"{url}/anthropic",
            max_retries=0,
            timeout=anthropic.Timeout(20, connect=5),
        )
        painter = await stack.enter_async_context(httpx2.AsyncClient(timeout=20))
        options = types.HttpOptions(
            base_url=f"{url}/gemini", timeout=20_000, httpx_async_client=painter
        )
        told = {"authorization": f"Bearer {key}"}
        yield Bench(
            url=url,
            claude=await stack.enter_async_context(claude),
            gemini=genai.Client(api_key=key, http_options=options),
            perplexity=await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"{url}/perplexity", headers=told, timeout=20)
            ),
            sim=await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=30)),
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Bench]:
    async with bench(SimulatorSettings(picture_side=64)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def desk(running: Bench) -> Bench:
    """The simulator as if just started; starting one for each test would take most of the time."""
    await running.sim.post("/__sim/reset")
    return running


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


# -- shapes ---------------------------------------------------------------------------------------


async def test_claude_answers_with_a_thinking_block_first(desk: Bench) -> None:
    message = await desk.write()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.stop_reason == "end_turn"
    details = message.usage.output_tokens_details
    assert details is not None
    assert 0 < details.thinking_tokens < message.usage.output_tokens
    assert message._request_id
    assert "puppy" in text_of(message)


async def test_a_streamed_answer_is_the_same_as_a_whole_one(desk: Bench) -> None:
    whole, streamed = await desk.write(), await desk.stream()
    assert text_of(whole) == text_of(streamed)
    assert whole.usage.output_tokens == streamed.usage.output_tokens
    assert whole.usage.input_tokens == streamed.usage.input_tokens
    first, second = await desk.calls()
    assert first["usage"] == second["usage"]
    assert first["prompt_digest"] == second["prompt_digest"]


async def test_haiku_answers_without_thinking(desk: Bench) -> None:
    message = await desk.write(model=HAIKU)
    assert [block.type for block in message.content] == ["text"]


async def test_cache_writes_are_told_and_billed_apart(desk: Bench) -> None:
    message = await desk.claude.messages.create(
        model=SONNET,
        max_tokens=16_000,
        system=[
            {
                "type": "text",
                "text": "Rules. " * 400,
                "cache_control": {"type": "ephemeral", "ttl": "1h"},
            }
        ],
        messages=[{"role": "user", "content": PROMPT.format(marker="")}],
    )
    assert message.usage.cache_creation is not None
    assert message.usage.cache_creation.ephemeral_1h_input_tokens == 700
    assert (await desk.last())["usage"]["cache_write_1h"] == 700


async def test_tokens_are_counted_without_a_bill(desk: Bench) -> None:
    counted = await desk.claude.messages.count_tokens(
        model=SONNET, messages=[{"role": "user", "content": "abcd" * 25}]
    )
    assert counted.input_tokens == 25
    assert (await desk.last())["cost_usd"] == 0


async def test_a_schema_is_answered_with_json_that_has_its_fields(desk: Bench) -> None:
    message = await desk.write(output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
    images = json.loads(text_of(message))["images"]
    assert len(images) == 4
    assert all(len(image["prompt"].split()) >= 60 for image in images)


async def test_an_answer_longer_than_allowed_stops_at_max_tokens(desk: Bench) -> None:
    message = await desk.write(max_tokens=1)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens <= 2


async def test_gemini_draws_a_picture_of_the_asked_shape(desk: Bench) -> None:
    answer = await desk.draw("A quiet harbour")
    assert answer.candidates is not None
    content = answer.candidates[0].content
    assert content is not None
    assert content.parts is not None
    blob = content.parts[0].inline_data
    assert blob is not None
    assert blob.data is not None
    with Image.open(BytesIO(blob.data)) as picture:
        picture.load()
        assert picture.size == (64, 36)
        assert len(set(picture.get_flattened_data())) > 10
    usage = answer.usage_metadata
    assert usage is not None
    assert usage.candidates_token_count == 1_290


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_gemini_streams_under_both_versions(desk: Bench, version: str) -> None:
    response = await desk.sim.post(
        f"/gemini/{version}/models/{PAINTER}:streamGenerateContent?alt=sse",
        headers={"x-goog-api-key": "key"},
        json={"contents": [{"parts": [{"text": "A hill"}]}]},
    )
    data = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    part = json.loads(data[-1])["candidates"][0]["content"]["parts"][0]["inlineData"]
    assert base64.b64decode(part["data"]).startswith(b"\x89PNG")


async def test_chat_cites_its_sources_and_states_its_bill(desk: Bench) -> None:
    body = (await desk.chat()).json()
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["choices"][0]["message"]["content"].startswith("```markdown\n# ")
    assert 8 <= len(body["citations"]) == len(body["search_results"]) <= 15
    assert all(".example." in f".{url.split('/')[2]}" for url in body["citations"])
    assert (await desk.last())["cost_usd"] == body["usage"]["cost"]["total_cost"] > 0


async def test_the_agent_searches_answers_and_states_its_bill(desk: Bench) -> None:
    body = (await desk.agent()).json()
    assert [item["type"] for item in body["output"]] == ["search_results", "message"]
    found = body["output"][0]["results"]
    assert [hit["id"] for hit in found] == list(range(1, len(found) + 1))
    said = body["output"][1]["content"][0]
    for note in said["annotations"][:20]:
        number = int(said["text"][note["start_index"] : note["end_index"]].strip("[]"))
        assert found[number - 1]["url"] == note["url"]
    assert body["status"] == "completed"
    assert (await desk.last())["cost_usd"] == body["usage"]["cost"]["total_cost"] > 0


async def test_without_the_search_tool_there_are_no_sources(desk: Bench) -> None:
    body = (await desk.agent(tools=[], tool_choice="auto")).json()
    assert [item["type"] for item in body["output"]] == ["message"]
    assert "[1]" not in body["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("ask", ["chat", "agent"])
async def test_perplexity_streams_the_same_text(desk: Bench, ask: str) -> None:
    whole = (await getattr(desk, ask)()).json()
    lines = (await getattr(desk, ask)(stream=True)).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    if ask == "chat":
        assert events[-1]["choices"][0]["message"] == whole["choices"][0]["message"]
        assert events[-1]["usage"] == whole["usage"]
        assert lines[-2] == "data: [DONE]"
    else:
        assert events[-1]["response"] == whole
        assert [event["sequence_number"] for event in events] == list(range(len(events)))


async def test_equal_questions_get_equal_bytes(desk: Bench) -> None:
    one, other = await desk.chat(), await desk.chat()
    assert one.content == other.content
    first, second = await desk.draw("A boat"), await desk.draw("A boat")
    assert first.model_dump(exclude={"sdk_http_response"}) == second.model_dump(
        exclude={"sdk_http_response"}
    )
    assert (await desk.write()).model_dump() == (await desk.write()).model_dump()


# -- contract and malformed requests --------------------------------------------------------------


@pytest.mark.parametrize(
    "refused",
    [
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
        {"thinking": {"type": "disabled"}},
        {"extra_body": {"temperature": 0.5}},
        {"extra_body": {"top_p": 0.5}},
        {
            "tools": [{"name": "t", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any"},
        },
    ],
)
async def test_current_models_refuse_what_they_dropped(
    desk: Bench, refused: dict[str, Any]
) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        await desk.write(**refused)
    assert caught.value.type == "invalid_request_error"
    assert (await desk.last())["outcome"] == "error:400"


async def test_current_models_refuse_a_prefilled_answer(desk: Bench) -> None:
    with pytest.raises(anthropic.BadRequestError):
        await desk.claude.messages.create(
            model=SONNET,
            max_tokens=100,
            messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        )


async def test_older_models_still_take_a_thinking_budget(desk: Bench) -> None:
    message = await desk.write(
        model="claude-sonnet-4-6", thinking={"type": "enabled", "budget_tokens": 2_000}
    )
    assert message.content[0].type == "thinking"


async def test_without_contract_mode_current_models_take_everything() -> None:
    async with bench(SimulatorSettings(contract=False)) as desk:
        assert (await desk.write(extra_body={"temperature": 0.5})).stop_reason == "end_turn"


async def test_an_unknown_model_is_not_found(desk: Bench) -> None:
    with pytest.raises(anthropic.NotFoundError):
        await desk.write(model="claude-imaginary-9")


MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b'{"model": NaN}',
    b"[" * 100_000,
    b'{"model": 5, "messages": "x", "contents": 7, "input": 9}',
    b'{"model": "sonar", "messages": [], "contents": [], "max_tokens": 5}',
    b'{"model":"claude-sonnet-5-5","max_tokens":true,"messages":[{"role":"user","content":[1]}]}',
    b'{"model":"sonar","messages":[{"role":"user","content":"\\ud800"}],"max_tokens":9}',
    b'{"model":"claude-sonnet-5-5","max_tokens":-1,"messages":[{"role":"user","content":"x"}]}',
]


@pytest.mark.parametrize("body", MALFORMED)
@pytest.mark.parametrize(
    "path",
    [
        "/anthropic/v1/messages",
        f"/gemini/v1/models/{PAINTER}:generateContent",
        "/perplexity/chat/completions",
        "/perplexity/v1/responses",
    ],
)
async def test_a_malformed_request_is_refused_and_never_breaks(
    desk: Bench, path: str, body: bytes
) -> None:
    told = {"authorization": "Bearer k", "x-goog-api-key": "k"}
    response = await desk.sim.post(path, content=body, headers=told)
    assert 400 <= response.status_code < 500
    assert response.json()["error"]["message"]
    assert response.headers["x-galley-simulator"] == "1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/__sim/nothing"),
        ("POST", "/anthropic/v1/complete"),
        ("POST", "/gemini/v1/models/x:paint"),
        ("POST", "/perplexity/v9"),
        ("GET", "/anthropic/v1/messages"),
    ],
)
async def test_other_addresses_are_refused_politely(desk: Bench, method: str, path: str) -> None:
    told = {"authorization": "Bearer k", "x-goog-api-key": "k"}
    response = await desk.sim.request(
        method, path, content=b"{}" if method == "POST" else None, headers=told
    )
    assert response.status_code in (404, 405)
    assert response.headers["x-galley-simulator"] == "1"


async def test_a_request_above_the_limit_is_too_large() -> None:
    async with bench(SimulatorSettings(body_limit=1_000)) as desk:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await desk.claude.messages.create(
                model=SONNET, max_tokens=9, messages=[{"role": "user", "content": "x" * 2_000}]
            )
        assert caught.value.status_code == 413


async def test_a_bad_key_is_refused_by_each_provider_in_its_way() -> None:
    async with bench(SimulatorSettings(), key="bad-key") as desk:
        with pytest.raises(anthropic.AuthenticationError):
            await desk.write()
        with pytest.raises(ClientError) as caught:
            await desk.draw("A hill")
        assert caught.value.code == 400
        assert "API_KEY_INVALID" in str(caught.value.details)
        assert (await desk.chat()).status_code == 401
        outcomes = [call["outcome"] for call in await desk.calls()]
        assert outcomes == ["error:401", "error:400", "error:401"]
        assert {call["key_tail"] for call in await desk.calls()} == {"-key"}


# -- faults ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (413, anthropic.ContentTooLargeError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
async def test_claude_fails_with_the_status_asked_for(
    desk: Bench, status: int, error: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(error):
        await desk.write(f" [[sim:claude:{status}]]")
    call = await desk.last()
    assert call["outcome"] == f"error:{status}"
    assert call["cost_usd"] == 0


@pytest.mark.parametrize(
    ("arg", "header", "value"),
    [
        ("2", "retry-after", "2"),
        ("ms1500", "retry-after-ms", "1500"),
        ("date5", "retry-after", "GMT"),
    ],
)
async def test_claude_says_when_to_try_again(
    desk: Bench, arg: str, header: str, value: str
) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        await desk.write(f" [[sim:claude:429:{arg}]]")
    assert value in caught.value.response.headers[header]


async def test_claude_names_the_spend_limit(desk: Bench) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        await desk.write(" [[sim:claude:429:code=enforced_spend_limit_reached]]")
    assert caught.value.error_code == "enforced_spend_limit_reached"


async def test_gemini_hides_the_delay_in_its_details(desk: Bench) -> None:
    with pytest.raises(ClientError) as caught:
        await desk.draw("A hill [[sim:gemini:429:9]]")
    assert "'retryDelay': '9s'" in str(caught.value.details)
    with pytest.raises(ClientError) as caught:
        await desk.draw("A hill [[sim:gemini:429:daily]]")
    assert "PerDay" in str(caught.value.details)
    with pytest.raises(ServerError):
        await desk.draw("A hill [[sim:gemini:503]]")


async def test_perplexity_fails_in_its_own_shape(desk: Bench) -> None:
    response = await desk.agent(" [[sim:perplexity:429:3]]")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "3"
    assert response.json()["error"]["type"] == "rate_limit_error"


async def test_a_marker_counts_down_for_its_topic_alone(desk: Bench) -> None:
    marker = " [[sim:claude:529*2]]"
    for _ in range(2):
        with pytest.raises(anthropic.OverloadedError):
            await desk.write(marker)
    assert (await desk.write(marker)).stop_reason == "end_turn"
    with pytest.raises(anthropic.OverloadedError):
        await desk.claude.messages.create(
            model=SONNET,
            max_tokens=16_000,
            messages=[{"role": "user", "content": f"Task: edit\nTopic: Another one{marker}"}],
        )


async def test_several_markers_strike_one_after_the_other(desk: Bench) -> None:
    marker = " [[sim:gemini:500]] [[sim:claude:529*1]] [[sim:claude:500*1]]"
    with pytest.raises(anthropic.OverloadedError):
        await desk.write(marker)
    with pytest.raises(anthropic.InternalServerError):
        await desk.write(marker)
    assert "[[" not in text_of(await desk.write(marker))


async def test_a_manifest_marker_spares_the_other_calls(desk: Bench) -> None:
    marker = " [[sim:manifest:invalid_json]]"
    assert text_of(await desk.write(marker)).count("puppy")
    broken = await desk.write(
        marker, output_config={"format": {"type": "json_schema", "schema": SCHEMA}}
    )
    with pytest.raises(json.JSONDecodeError):
        json.loads(text_of(broken))
    assert (await desk.last())["cost_usd"] > 0


async def test_a_marker_for_gemini_reaches_the_pictures_of_its_topic(desk: Bench) -> None:
    prompt = "Task: images\nTopic: Sourdough bread [[sim:gemini:503*1]]\nWord count: 900"
    message = await desk.claude.messages.create(
        model=HAIKU,
        max_tokens=16_000,
        messages=[{"role": "user", "content": prompt}],
        output_config={"format": {"type": "json_schema", "schema": SCHEMA}},
    )
    drawn = json.loads(text_of(message))["images"][0]["prompt"]
    with pytest.raises(ServerError):
        await desk.draw(drawn)
    assert (await desk.draw(drawn)).candidates
    assert (await desk.draw("Another topic")).candidates


@pytest.mark.parametrize(
    "marker",
    ["[[sim:claude:nonsense]]", "[[sim:nobody:500]]", "[[sim:claude:200]]", "[[sim:]]"],
)
async def test_a_fault_nobody_knows_is_refused_loudly(desk: Bench, marker: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match="simulator"):
        await desk.write(f" {marker}")


async def test_rules_strike_by_model_and_prompt_until_they_are_dropped(desk: Bench) -> None:
    rule = {"provider": "claude", "model": HAIKU, "match": "Puppy", "fault": "500*1"}
    assert (await desk.sim.post("/__sim/rules", json=rule)).status_code == 200
    assert (await desk.write()).stop_reason == "end_turn"
    with pytest.raises(anthropic.InternalServerError):
        await desk.write(model=HAIKU)
    assert (await desk.write(model=HAIKU)).stop_reason == "end_turn"
    await desk.sim.post("/__sim/rules", json=[{"provider": "claude", "fault": "refusal"}])
    assert (await desk.write()).stop_reason == "refusal"
    await desk.sim.delete("/__sim/rules")
    assert (await desk.write()).stop_reason == "end_turn"
    bad = await desk.sim.post("/__sim/rules", json={"provider": "claude", "fault": "what"})
    assert bad.status_code == 400


async def test_a_refusal_is_empty_and_billed(desk: Bench) -> None:
    message = await desk.write(" [[sim:claude:refusal]]")
    assert (message.stop_reason, message.content[1:]) == ("refusal", [])
    assert message.stop_details is not None
    call = await desk.last()
    assert call["outcome"] == "refused"
    assert call["cost_usd"] > 0


@pytest.mark.parametrize("fault", ["max_tokens", "pause_turn"])
async def test_claude_stops_for_the_reason_asked_for(desk: Bench, fault: str) -> None:
    assert (await desk.write(f" [[sim:claude:{fault}]]")).stop_reason == fault
    assert (await desk.stream(f" [[sim:claude:{fault}]]")).stop_reason == fault


async def test_huge_and_hostile_texts_arrive_as_asked(desk: Bench) -> None:
    huge = await desk.write(" [[sim:claude:huge:200000]]", max_tokens=100_000)
    assert len(text_of(huge)) == 200_000
    assert "<script>" in text_of(await desk.write(" [[sim:claude:html]]"))


async def test_a_gateway_page_is_no_message(desk: Bench) -> None:
    assert isinstance(await desk.write(" [[sim:claude:html_body]]"), str)
    with pytest.raises(anthropic.InternalServerError):
        await desk.write(" [[sim:claude:html_502]]")
    assert [call["cost_usd"] for call in await desk.calls()] == [0, 0]


@pytest.mark.parametrize("fault", ["empty", "half_json", "end_mid", "bad_frame"])
async def test_an_unreadable_body_raises_a_decoding_error(desk: Bench, fault: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        await desk.write(f" [[sim:claude:{fault}]]")


@pytest.mark.parametrize("fault", ["reset", "reset_mid", "cut_mid"])
async def test_a_cut_connection_is_seen_as_such(desk: Bench, fault: str) -> None:
    with pytest.raises(anthropic.APIConnectionError):
        await desk.write(f" [[sim:claude:{fault}]]")
    with pytest.raises(httpx.TransportError):
        await desk.chat(f" [[sim:perplexity:{fault}]]")
    with pytest.raises(httpx2.TransportError):
        await desk.draw(f"A hill [[sim:gemini:{fault}]]")
    calls = await desk.calls()
    assert [call["outcome"] for call in calls] == ["cut"] * 3
    assert all((call["cost_usd"] > 0) == (fault != "reset") for call in calls)


@pytest.mark.parametrize("fault", ["reset_mid", "cut_mid"])
async def test_a_stream_cut_in_the_middle_costs_what_was_sent(desk: Bench, fault: str) -> None:
    whole = await desk.stream()
    with pytest.raises(httpx2.TransportError):
        await desk.stream(f" [[sim:claude:{fault}]]")
    usage = (await desk.last())["usage"]
    assert 0 < usage["tokens_out"] < whole.usage.output_tokens


async def test_a_stream_that_ends_early_has_no_stop_reason(desk: Bench) -> None:
    assert (await desk.stream(" [[sim:claude:end_mid]]")).stop_reason is None
    assert (await desk.last())["outcome"] == "cut"


async def test_an_error_event_carries_its_type(desk: Bench) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        await desk.stream(" [[sim:claude:err_event:rate_limit_error]]")
    assert (caught.value.status_code, caught.value.type) == (200, "rate_limit_error")
    with pytest.raises(anthropic.OverloadedError):
        await desk.write(" [[sim:claude:err_event]]")


async def test_a_broken_frame_breaks_the_stream(desk: Bench) -> None:
    with pytest.raises(json.JSONDecodeError):
        await desk.stream(" [[sim:claude:bad_frame]]")


@pytest.mark.parametrize("fault", ["hang", "stall"])
async def test_a_silent_provider_notices_that_the_client_left(desk: Bench, fault: str) -> None:
    for ask in (desk.write, desk.stream):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(f" [[sim:claude:{fault}]]"), 0.3)
    outcomes = [call["outcome"] for call in await desk.calls()]
    assert outcomes == ["disconnected", "disconnected"]
    assert (await desk.sim.get("/__sim/state")).json()["disconnects"] == 2


@pytest.mark.parametrize("fault", ["delay:0.01", "drip:0.001", "hang:0.01", "stall:0.01"])
async def test_a_slow_provider_answers_or_gives_up_in_the_end(desk: Bench, fault: str) -> None:
    if fault.startswith("hang"):
        with pytest.raises(anthropic.APIConnectionError):
            await desk.write(f" [[sim:claude:{fault}]]")
    else:
        assert (await desk.write(f" [[sim:claude:{fault}]]")).stop_reason == "end_turn"
        assert (await desk.stream(f" [[sim:claude:{fault}]]")).stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("safety_block", "IMAGE_SAFETY"),
        ("safety_block:PROHIBITED_CONTENT", "PROHIBITED_CONTENT"),
        ("no_image", "NO_IMAGE"),
        ("max_tokens", "MAX_TOKENS"),
    ],
)
async def test_gemini_says_why_it_drew_nothing(desk: Bench, fault: str, reason: str) -> None:
    answer = await desk.draw(f"A hill [[sim:gemini:{fault}]]")
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == reason
    assert (await desk.last())["outcome"] == "refused"


async def test_gemini_blocks_a_prompt(desk: Bench) -> None:
    answer = await desk.draw("A hill [[sim:gemini:prompt_block]]")
    assert not answer.candidates
    assert answer.prompt_feedback is not None
    assert answer.prompt_feedback.block_reason == "PROHIBITED_CONTENT"


@pytest.mark.parametrize("fault", ["bad_image", "not_image", "bomb", "huge:1000"])
async def test_gemini_sends_bytes_that_are_no_picture(desk: Bench, fault: str) -> None:
    answer = await desk.draw(f"A hill [[sim:gemini:{fault}]]")
    assert answer.candidates is not None
    content = answer.candidates[0].content
    assert content is not None
    assert content.parts is not None
    blob = content.parts[0].inline_data
    assert blob is not None
    assert blob.data is not None
    with pytest.raises((OSError, Image.DecompressionBombError)):
        Image.open(BytesIO(blob.data)).load()


async def test_gemini_asks_to_be_continued(desk: Bench) -> None:
    answer = await desk.draw("A hill [[sim:gemini:continuation]]")
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == "CONTINUATION"


@pytest.mark.parametrize("ask", ["chat", "agent"])
async def test_perplexity_cuts_refuses_and_forgets_its_sources(desk: Bench, ask: str) -> None:
    cut = (await getattr(desk, ask)(" [[sim:perplexity:max_tokens]]")).text
    assert '"length"' in cut or '"max_output_tokens"' in cut
    assert "I'm Perplexity" in (await getattr(desk, ask)(" [[sim:perplexity:refusal]]")).text
    bare = (await getattr(desk, ask)(" [[sim:perplexity:no_sources]]")).text
    assert "example.com" not in bare
    assert "[1]" not in bare


async def test_the_agent_fails_with_a_200(desk: Bench) -> None:
    body = (await desk.agent(" [[sim:perplexity:failed]]")).json()
    assert (body["status"], body["error"]["type"]) == ("failed", "server_error")


# -- hold, pace, journal --------------------------------------------------------------------------


async def test_held_calls_wait_until_they_are_released(desk: Bench) -> None:
    await desk.sim.post("/__sim/hold", json={"provider": "claude", "task": "write"})
    asked = [asyncio.create_task(desk.write()) for _ in range(3)]
    held = await desk.sim.get("/__sim/held", params={"at_least": "3"})
    assert held.json() == {"held": 3}
    assert (await desk.chat()).status_code == 200
    assert not any(task.done() for task in asked)
    await desk.sim.post("/__sim/release")
    assert len({text_of(message) for message in await asyncio.gather(*asked)}) == 1
    assert (await desk.sim.get("/__sim/state")).json()["peak"] == 4
    assert len(await desk.calls(provider="claude")) == 3


async def test_a_client_that_leaves_a_held_call_has_paid(desk: Bench) -> None:
    await desk.sim.post("/__sim/hold")
    asked = asyncio.create_task(desk.write())
    await desk.sim.get("/__sim/held", params={"at_least": "1"})
    asked.cancel()
    call = await desk.last()
    assert call["outcome"] == "disconnected"
    assert call["cost_usd"] == PRICE(Usage.model_validate(call["usage"])) > 0


async def test_a_reset_releases_forgets_and_stays_usable(desk: Bench) -> None:
    await desk.sim.post("/__sim/rules", json={"provider": "claude", "fault": "500"})
    await desk.sim.post("/__sim/hold")
    asked = asyncio.create_task(desk.chat())
    await desk.sim.get("/__sim/held", params={"at_least": "1"})
    await desk.sim.post("/__sim/reset")
    assert (await asked).status_code == 200
    assert (await desk.write()).stop_reason == "end_turn"
    assert (await desk.sim.get("/__sim/state")).json()["held"] == 0


async def test_a_client_that_leaves_a_slow_stream_pays_for_what_it_got(desk: Bench) -> None:
    await desk.sim.post("/__sim/pace", json={"per_chunk": 0.01})
    async with desk.claude.messages.stream(
        model=SONNET,
        max_tokens=16_000,
        messages=[{"role": "user", "content": PROMPT.format(marker="")}],
    ) as stream:
        async for event in stream:
            if event.type == "text":
                break
    call = await desk.last()
    assert call["outcome"] == "disconnected"
    assert call["usage"]["tokens_thinking"] < call["usage"]["tokens_out"] < 400


async def test_the_pace_is_checked_and_returns_with_a_reset(desk: Bench) -> None:
    assert (await desk.sim.post("/__sim/pace", json={"per_chunk": -1})).status_code == 400
    assert (await desk.sim.post("/__sim/pace", json={"speed": 1})).status_code == 400
    await desk.sim.post("/__sim/pace", json={"first_token": 0.001})
    assert (await desk.write()).stop_reason == "end_turn"
    await desk.sim.post("/__sim/reset")
    assert (await desk.sim.get("/__sim/pace")).json() == Pace().model_dump()


async def test_the_journal_tells_what_was_asked_and_paid(desk: Bench) -> None:
    await desk.write()
    await desk.draw("A hill")
    await desk.chat()
    calls = await desk.calls()
    assert [call["provider"] for call in calls] == ["claude", "gemini", "perplexity"]
    assert [call["task"] for call in calls] == ["write", "picture", "research"]
    order = [when for call in calls for when in (call["started"], call["finished"])]
    assert order == sorted(set(order))
    for call in calls:
        assert call["cost_usd"] == PRICE(Usage.model_validate(call["usage"])) > 0
    assert len(await desk.calls(provider="gemini")) == 1
    assert len(await desk.calls(match="Espresso")) == 1
    await desk.sim.delete("/__sim/calls")
    assert await desk.calls() == []


async def test_the_journal_forgets_the_oldest_calls_first() -> None:
    async with bench(SimulatorSettings(journal_limit=2)) as desk:
        for _ in range(3):
            await desk.chat()
        assert [call["number"] for call in await desk.calls()] == [2, 3]


async def test_many_calls_at_once_are_all_answered_and_counted(desk: Bench) -> None:
    messages = await asyncio.gather(*(desk.write() for _ in range(40)))
    assert len({text_of(message) for message in messages}) == 1
    assert sum(call["outcome"] == "answered" for call in await desk.calls()) == 40
