"""The real adapters against the simulator: every fault becomes one class, one code, one bill."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest
import pytest_asyncio

from shared.domain.costs import price
from shared.errors import Permanent, ProviderError, Transient
from shared.local.ports import free_port
from shared.providers import claude, gemini, perplexity
from shared.providers.port import Request
from shared.providers.prices import load_prices
from shared.simulator.app import simulator
from shared.simulator.serving import serving
from shared.simulator.settings import SimulatorSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.domain.values import Usage
    from shared.providers.port import Model

pytestmark = pytest.mark.asyncio(loop_scope="module")

type Name = Literal["claude", "claude-stream", "gemini", "agent", "chat"]

TABLE = load_prices()
CAP = 100_000
PATIENT, IMPATIENT = 30.0, 1.0
TOPIC = "Task: research\nTopic: Teaching a puppy to walk on a leash {}\nWord count: 400\n"

ASKED: dict[Name, Request] = {
    "claude": Request(provider="claude", model="claude-sonnet-5-5", prompt=TOPIC),
    "claude-stream": Request(
        provider="claude", model="claude-opus-5-5", prompt=TOPIC, stream=True, effort="low"
    ),
    "gemini": Request(
        provider="gemini",
        model="gemini-3.1-flash-image",
        prompt="A puppy. {}",
        ratio="16:9",
        size="1K",
    ),
    "agent": Request(provider="perplexity", model="perplexity/sonar", prompt=TOPIC, search=True),
    "chat": Request(provider="perplexity", model="sonar-pro", prompt=TOPIC, search=True),
}
# These never end by themselves: whoever meets them needs a short deadline.
ENDLESS = frozenset({"hang", "stall", "drip"})
# The provider's own refusals, before it begins to answer.
REFUSALS = ("400", "429", "500", "529")
BROKEN = (
    *REFUSALS,
    *("html_502", "html_body", "empty", "half_json", "reset", "reset_mid", "cut_mid", "end_mid"),
    *("bad_frame", "huge", "hang", "stall"),
)
EVERY: tuple[Name, ...] = tuple(ASKED)
TEXTS: tuple[Name, ...] = ("claude", "claude-stream", "agent", "chat")


@dataclass(frozen=True, slots=True)
class Bench:
    """The simulator, and one adapter for each way of asking."""

    url: str
    sim: httpx.AsyncClient
    models: dict[Name, Model]
    impatient: dict[Name, Model]

    def asked(self, name: Name, fault: str = "") -> tuple[Model, Request]:
        asked = ASKED[name]
        marker = f"[[sim:{asked.provider}:{fault}]]" if fault else ""
        models = self.impatient if fault.split(":")[0] in ENDLESS else self.models
        return models[name], replace(asked, prompt=asked.prompt.format(marker))

    async def failure(self, name: Name, fault: str) -> ProviderError:
        model, request = self.asked(name, fault)
        with pytest.raises(ProviderError) as caught:
            await model.call(request)
        assert caught.value.__cause__ is not None
        return caught.value

    async def calls(self) -> list[dict[str, Any]]:
        await self.sim.get("/__sim/idle")
        told = (await self.sim.get("/__sim/calls")).json()
        assert isinstance(told, list)
        return told


@asynccontextmanager
async def adapters(
    url: str, key: str = "good", deadline: float = PATIENT
) -> AsyncIterator[dict[Name, Model]]:
    common: dict[str, Any] = {"api_key": key, "deadline": deadline, "body_cap": CAP}
    searching = partial(perplexity.connect, base_url=f"{url}/perplexity", **common)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        asked = await enter(claude.connect(base_url=f"{url}/anthropic", **common))
        drawn = await enter(gemini.connect(base_url=f"{url}/gemini", **common))
        agent = await enter(searching(wire="agent"))
        chat = await enter(searching(wire="chat"))
        yield {
            "claude": asked,
            "claude-stream": asked,
            "gemini": drawn,
            "agent": agent,
            "chat": chat,
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant() -> AsyncIterator[Bench]:
    app = simulator(SimulatorSettings(picture_side=32), partial(price, TABLE))
    async with (
        serving(app) as url,
        httpx.AsyncClient(base_url=url) as sim,
        adapters(url) as models,
        adapters(url, deadline=IMPATIENT) as impatient,
    ):
        yield Bench(url, sim, models, impatient)


@pytest_asyncio.fixture(loop_scope="module")
async def bench(plant: Bench) -> Bench:
    await plant.sim.get("/__sim/idle")
    await plant.sim.post("/__sim/reset")
    return plant


def priced(usage: Usage | None) -> float:
    return price(TABLE, usage) if usage is not None else 0.0


@pytest.mark.parametrize("name", EVERY)
async def test_a_good_answer_costs_what_the_simulator_says_it_cost(bench: Bench, name: Name):
    model, request = bench.asked(name)
    answer = await model.call(request)
    (call,) = await bench.calls()
    assert answer.usage.model == request.model
    assert answer.usage.model_dump() == call["usage"]
    assert priced(answer.usage) == pytest.approx(call["cost_usd"], abs=1e-9)
    assert call["cost_usd"] > 0
    assert answer.request_id
    assert bool(answer.pictures) is (name == "gemini")
    assert bool(answer.text) is (name != "gemini")


async def test_streamed_pieces_are_the_answer(bench: Bench):
    pieces: list[str] = []

    async def on_text(piece: str) -> None:
        pieces.append(piece)

    model, request = bench.asked("claude-stream")
    answer = await model.call(request, on_text)
    assert len(pieces) > 3
    assert "".join(pieces) == answer.text


@pytest.mark.parametrize("name", ["agent", "chat"])
async def test_sources_are_numbered_as_the_text_cites_them(bench: Bench, name: Name):
    model, request = bench.asked(name)
    answer = await model.call(request)
    assert len(answer.sources) >= 8
    assert [source.number for source in answer.sources] == list(range(1, len(answer.sources) + 1))
    assert all(source.url and source.title for source in answer.sources)


async def test_a_schema_is_answered_in_its_shape(bench: Bench):
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "n": {"type": "integer", "minimum": 3}},
        "required": ["title", "n"],
    }
    model, request = bench.asked("claude")
    answer = await model.call(replace(request, schema=schema))
    assert answer.text.startswith("{")


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("fault", "kind", "code", "delay"),
    [
        ("400", Permanent, "invalid_request_error", None),
        ("402", Permanent, "billing_error", None),
        ("403", Permanent, "permission_error", None),
        ("404", Permanent, "not_found_error", None),
        ("413", Permanent, "request_too_large", None),
        ("422", Permanent, "invalid_request_error", None),
        ("408", Transient, "request_timeout", None),
        ("409", Transient, "conflict", None),
        ("499", Transient, "client_closed", None),
        ("429:2", Transient, "rate_limited", 2.0),
        ("500", Transient, "server_error", None),
        ("502", Transient, "bad_gateway", None),
        ("503", Transient, "overloaded", None),
        ("504", Transient, "gateway_timeout", None),
        ("529", Transient, "overloaded", None),
        ("html_502", Transient, "bad_gateway", None),
    ],
)
async def test_a_status_means_the_same_from_every_provider(
    bench: Bench,
    name: Name,
    fault: str,
    kind: type[ProviderError],
    code: str,
    delay: float | None,
):
    error = await bench.failure(name, fault)
    assert (type(error), error.code) == (kind, code)
    assert error.status == int(fault.removeprefix("html_").split(":")[0])
    assert error.usage is None
    if isinstance(error, Transient):
        assert error.retry_after == delay
    assert len(await bench.calls()) == 1


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(("spelling", "seconds"), [("date5", 5.0), ("ms1500", 1.5), ("0", 0.0)])
async def test_a_delay_is_understood_in_every_spelling(
    bench: Bench, name: Name, spelling: str, seconds: float
):
    error = await bench.failure(name, f"429:{spelling}")
    assert isinstance(error, Transient)
    assert error.retry_after == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize(
    ("name", "fault", "code"),
    [
        ("claude", "429:code=enforced_spend_limit_reached", "enforced_spend_limit_reached"),
        ("claude-stream", "429:code=contract_spend_limit_reached", "contract_spend_limit_reached"),
        ("gemini", "429:daily", "daily_quota"),
        ("agent", "429:code=insufficient_quota", "insufficient_quota"),
    ],
)
async def test_what_waiting_does_not_cure_is_final(bench: Bench, name: Name, fault: str, code: str):
    error = await bench.failure(name, fault)
    assert (type(error), error.code) == (Permanent, code)


@pytest.mark.parametrize("name", EVERY)
async def test_a_bad_key_is_final_everywhere(bench: Bench, name: Name):
    _, request = bench.asked(name)
    async with adapters(bench.url, key="bad-key") as models:
        with pytest.raises(Permanent) as caught:
            await models[name].call(request)
    assert caught.value.code == "authentication_error"


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("html_body", "unreadable_answer"),
        ("empty", "unreadable_answer"),
        ("half_json", "unreadable_answer"),
        ("bad_frame", "unreadable_answer"),
        ("reset", "connection"),
        ("reset_mid", "connection"),
        ("cut_mid", "connection"),
    ],
)
async def test_a_broken_answer_is_worth_another_try(
    bench: Bench, name: Name, fault: str, code: str
):
    error = await bench.failure(name, fault)
    assert isinstance(error, Transient)
    assert error.code in BROKEN_OTHERWISE.get((name, fault), (code,))
    assert len(await bench.calls()) == 1


# Half a stream is a stream that ended early; an empty one, or a page, is none at all.
BROKEN_OTHERWISE: dict[tuple[Name, str], tuple[str, ...]] = {
    ("claude-stream", "half_json"): ("cut_off", "unreadable_answer"),
}


@pytest.mark.parametrize("fault", ["end_mid", "reset_mid", "cut_mid", "stall", "bad_frame"])
async def test_a_stream_broken_in_the_middle_keeps_what_was_told(bench: Bench, fault: str):
    error = await bench.failure("claude-stream", fault)
    assert isinstance(error, Transient)
    assert error.raw
    assert error.usage is not None
    (call,) = await bench.calls()
    assert error.usage.tokens_in == call["usage"]["tokens_in"]


async def test_a_stream_that_ends_early_is_cut_off(bench: Bench):
    assert (await bench.failure("claude-stream", "end_mid")).code == "cut_off"


@pytest.mark.parametrize(
    ("kind", "expected", "code"),
    [
        ("overloaded_error", Transient, "overloaded"),
        ("rate_limit_error", Transient, "rate_limited"),
        ("api_error", Transient, "server_error"),
        ("invalid_request_error", Permanent, "invalid_request_error"),
    ],
)
async def test_an_error_in_mid_stream_is_judged_by_its_kind(
    bench: Bench, kind: str, expected: type[ProviderError], code: str
):
    error = await bench.failure("claude-stream", f"err_event:{kind}")
    assert (type(error), error.code) == (expected, code)
    assert error.usage is not None


@pytest.mark.parametrize("fault", ["hang", "stall", "drip:30"])
async def test_the_deadline_covers_the_whole_call(bench: Bench, fault: str):
    errors = await asyncio.gather(*(bench.failure(name, fault) for name in EVERY))
    assert {(type(error), error.code) for error in errors} == {(Transient, "timeout")}
    assert {call["outcome"] for call in await bench.calls()} == {"disconnected"}


@pytest.mark.parametrize("name", EVERY)
async def test_an_endless_answer_is_cut_at_the_cap(bench: Bench, name: Name):
    error = await bench.failure(name, "huge:3000000")
    assert (type(error), error.code) == (Permanent, "too_large")


@pytest.mark.parametrize("name", ["claude", "claude-stream", "agent", "chat"])
async def test_an_answer_cut_by_its_limit_is_final_and_paid(bench: Bench, name: Name):
    error = await bench.failure(name, "max_tokens")
    assert (type(error), error.code) == (Permanent, "max_tokens")
    assert error.raw
    (call,) = await bench.calls()
    assert priced(error.usage) == pytest.approx(call["cost_usd"], abs=1e-9)
    assert call["cost_usd"] > 0


@pytest.mark.parametrize("name", ["claude", "claude-stream"])
@pytest.mark.parametrize(
    ("fault", "code"), [("refusal", "refusal"), ("pause_turn", "unexpected_stop")]
)
async def test_a_refusal_is_final_and_paid(bench: Bench, name: Name, fault: str, code: str):
    error = await bench.failure(name, fault)
    assert (type(error), error.code) == (Permanent, code)
    (call,) = await bench.calls()
    assert priced(error.usage) == pytest.approx(call["cost_usd"], abs=1e-9)


async def test_a_failed_run_of_the_agent_is_judged_by_its_error(bench: Bench):
    error = await bench.failure("agent", "failed")
    assert (type(error), error.code) == (Transient, "server_error")
    assert error.usage is not None


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("prompt_block", Permanent, "prohibited_content"),
        ("prompt_block:SAFETY", Permanent, "safety"),
        ("safety_block", Permanent, "image_safety"),
        ("safety_block:IMAGE_RECITATION", Permanent, "image_recitation"),
        ("safety_block:IMAGE_OTHER", Transient, "no_image"),
        ("no_image", Transient, "no_image"),
        ("max_tokens", Permanent, "max_tokens"),
    ],
)
async def test_a_blocked_picture_is_named_by_its_reason(
    bench: Bench, fault: str, kind: type[ProviderError], code: str
):
    error = await bench.failure("gemini", fault)
    assert (type(error), error.code) == (kind, code)
    (call,) = await bench.calls()
    assert priced(error.usage) == pytest.approx(call["cost_usd"], abs=1e-9)


@pytest.mark.parametrize("fault", ["bad_image", "not_image", "bomb"])
async def test_pictures_are_handed_on_undecoded(bench: Bench, fault: str):
    model, request = bench.asked("gemini", fault)
    (picture,) = (await model.call(request)).pictures
    assert picture.data


async def test_a_continuation_is_not_asked_for(bench: Bench):
    model, request = bench.asked("gemini", "continuation")
    await model.call(request)
    assert len(await bench.calls()) == 1


@pytest.mark.parametrize("name", EVERY)
async def test_one_call_is_one_request_and_the_second_may_succeed(bench: Bench, name: Name):
    model, request = bench.asked(name, "503*1")
    with pytest.raises(Transient):
        await model.call(request)
    await model.call(request)
    assert len(await bench.calls()) == 2


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("name", EVERY)
async def test_what_a_failure_is_sure_to_have_cost_is_what_was_charged(
    bench: Bench, name: Name, fault: str
):
    error = await bench.failure(name, fault)
    (call,) = await bench.calls()
    if not error.unsure:
        assert priced(error.usage) == pytest.approx(call["cost_usd"], abs=1e-9)
    else:
        assert fault not in REFUSALS


async def test_a_call_that_found_nobody_is_sure_to_have_cost_nothing():
    async with adapters(f"http://127.0.0.1:{free_port()}") as models:
        for name, model in models.items():
            with pytest.raises(Transient) as caught:
                await model.call(ASKED[name])
            assert (caught.value.unsure, caught.value.usage) == (False, None)


@pytest.mark.parametrize("name", EVERY)
async def test_cancelling_reaches_the_provider(bench: Bench, name: Name):
    model, request = bench.asked(name)
    await bench.sim.post("/__sim/hold")
    task = asyncio.create_task(model.call(request))
    await bench.sim.get("/__sim/held", params={"at_least": 1})
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (call,) = await bench.calls()
    assert call["outcome"] == "disconnected"


async def test_many_calls_at_once_do_not_mix(bench: Bench):
    asked = [bench.asked(name) for name in EVERY for _ in range(4)]
    answers = await asyncio.gather(*(model.call(request) for model, request in asked))
    for start in range(0, len(answers), 4):
        told = {(answer.text, answer.usage) for answer in answers[start : start + 4]}
        assert len(told) == 1
