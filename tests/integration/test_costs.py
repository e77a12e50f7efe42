"""Costs on a real log and a real Postgres: grouped by anything, they are the ledgers' sums."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.insight import ledgers
from shared.domain.costs import price
from shared.domain.events import CallSettled, CallStarted
from shared.domain.values import Usage
from shared.eventlog import Append
from shared.providers.prices import load_prices
from tests.integration.jetstream.server import galley_nats  # noqa: F401
from tests.integration.test_queue import press  # noqa: F401

if TYPE_CHECKING:
    from uuid import UUID

    from tests.integration.test_queue import Press

# ruff: noqa: F811  (pytest's fixtures are named as what they give)
pytestmark = pytest.mark.integration

PRICES = load_prices()
CACHED = Usage(
    model="claude-opus-5-5",
    tokens_in=10_000,
    tokens_out=900,
    cache_read=2_000,
    cache_write=3_000,
    cache_write_1h=500,
)
DRAWN = Usage(model="gemini-3-pro-image", tokens_in=300, tokens_out=1_300, tokens_image=1_120)


async def settle(press: Press, post: UUID, key: str, provider: str, usage: Usage) -> None:
    """A call of the open run, answered at the price of our table."""
    stage, run = await press.run(post)
    name = {"post_id": post, "at": datetime.now(UTC), "stage": stage, "run": run, "key": key}
    about = {**name, "attempt": 1, "token": "t", "provider": provider, "request": "r"}
    paid = {"usage": usage, "cost_usd": price(PRICES, usage), "prices": PRICES.version}
    facts = [
        CallStarted.model_validate({**about, "model": usage.model, "worst_case_usd": 0.7}),
        CallSettled.model_validate({**about, **paid, "text": "t", "duration_s": 2.0}),
    ]
    await (await press.log(stage)).append(Append(ref=press.gateway.ref(post), facts=facts))


def summed(groups: list[dict[str, Any]]) -> dict[str, float]:
    """The groups together, figure by figure."""
    return {name: sum(each[name] for each in groups) for name in groups[0] if name != "key"}


async def test_cache_writes_and_pictures_are_told_apart_however_costs_are_grouped(
    press: Press,
) -> None:
    posts = [await press.posted() for _ in range(2)]
    for post in posts:
        await settle(press, post, "draft", "claude", CACHED)
        await settle(press, post, "picture", "gemini", DRAWN)
    bills = [(await press.get(f"/api/posts/{post}"))["ledger"]["settled_usd"] for post in posts]
    assert sum(bills) == pytest.approx(2 * (price(PRICES, CACHED) + price(PRICES, DRAWN)))
    for group in ("stage", "model", "profile", "day"):
        costs = await press.get("/api/costs", group=group)
        for told in (costs["total"], summed(costs["groups"])):
            assert told["settled_usd"] == pytest.approx(sum(bills))
            assert told["images_usd"] == pytest.approx(2 * price(PRICES, DRAWN))
            assert (told["cache_read"], told["cache_write"]) == (4_000, 6_000)
            assert (told["cache_write_1h"], told["tokens_image"]) == (1_000, 2_240)


async def test_the_model_that_draws_has_all_image_costs(press: Press) -> None:
    post = await press.posted()
    await settle(press, post, "draft", "claude", CACHED)
    await settle(press, post, "picture", "gemini", DRAWN)
    costs = await press.get("/api/costs", group="model")
    assert {each["key"]: (each["settled_usd"], each["images_usd"]) for each in costs["groups"]} == {
        CACHED.model: (price(PRICES, CACHED), 0),
        DRAWN.model: (price(PRICES, DRAWN), price(PRICES, DRAWN)),
    }


async def test_the_calls_of_a_post_say_the_same_of_caches_from_rows_and_from_the_log(
    press: Press,
) -> None:
    post = await press.posted()
    await settle(press, post, "draft", "claude", CACHED)
    await press.get("/api/costs")
    [row] = await press.get(f"/api/posts/{post}/calls")
    history = await press.gateway.views.history(press.gateway.ref(post))
    assert (row["cache_write"], row["cache_write_1h"]) == (3_000, 500)
    assert [row] == [call.model_dump(mode="json") for call in ledgers.lines(history.calls)]
