"""A call costs what the provider billed, or its figures times the table; the bound holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.costs import SEARCHES, ModelPrice, PriceTable, Rates, price, worst_case
from shared.domain.values import Usage
from shared.errors import Misconfigured

TIERED = ModelPrice(
    tiers=(
        Rates(input=0.1, output=0.5, cache_read=0.01, cache_write=0.125, cache_write_1h=0.2),
        Rates(above=100_000, input=0.5, output=2.5, cache_read=0.05, cache_write=0.625),
    )
)
TABLE = PriceTable(
    version="test of 2026-01-01",
    models={
        "plain": ModelPrice(tiers=(Rates(input=2, output=10),)),
        "cached": ModelPrice(
            tiers=(Rates(input=2, output=10, cache_read=0.1, cache_write=2.5, cache_write_1h=4),)
        ),
        "tiered": TIERED,
        "painter": ModelPrice(tiers=(Rates(input=0.5, output=3, image_output=60),)),
        "searcher": ModelPrice(
            tiers=(Rates(input=1, output=1),), per_request=0.012, per_search=0.005
        ),
    },
)


def test_the_provider_s_own_bill_wins_even_for_a_model_without_a_price():
    usage = Usage(model="unheard-of", tokens_in=1_000_000, cost_usd=0.0213)
    assert price(TABLE, usage) == 0.0213


def test_a_bill_of_nothing_is_a_bill():
    assert price(TABLE, Usage(model="plain", tokens_in=1_000_000, cost_usd=0.0)) == 0.0


def test_a_model_without_a_price_is_loud():
    with pytest.raises(Misconfigured, match="'unheard-of'"):
        price(TABLE, Usage(model="unheard-of"))
    with pytest.raises(Misconfigured, match="'unheard-of'"):
        worst_case(TABLE, "unheard-of", 1, 1)


def test_input_and_output_have_their_own_rates():
    assert price(TABLE, Usage(model="plain", tokens_in=1_000, tokens_out=500)) == 0.007


def test_cached_input_is_part_of_the_input_and_not_paid_twice():
    usage = Usage(
        model="cached",
        tokens_in=13_000,
        cache_read=8_000,
        cache_write=2_000,
        cache_write_1h=1_000,
        tokens_out=1_000,
    )
    assert price(TABLE, usage) == round(0.004 + 0.0008 + 0.005 + 0.004 + 0.010, 9)


def test_a_cache_without_a_rate_is_paid_like_any_input():
    usage = Usage(model="plain", tokens_in=1_000, cache_read=400, cache_write=300)
    assert price(TABLE, usage) == 0.002


def test_thinking_is_part_of_the_output():
    thinking = Usage(model="plain", tokens_out=1_000, tokens_thinking=900)
    assert price(TABLE, thinking) == 0.010


def test_image_tokens_have_a_rate_of_their_own():
    usage = Usage(model="painter", tokens_in=12, tokens_out=1_300, tokens_image=1_290)
    assert price(TABLE, usage) == round(12e-6 * 0.5 + 10e-6 * 3 + 1290e-6 * 60, 9)


def test_the_tier_is_chosen_by_the_whole_prompt_and_holds_for_the_whole_call():
    at = Usage(model="tiered", tokens_in=100_000, tokens_out=1_000)
    beyond = Usage(model="tiered", tokens_in=100_001, tokens_out=1_000)
    assert price(TABLE, at) == 0.0105
    assert price(TABLE, beyond) == 0.0525005


def test_cache_reads_count_towards_the_tier():
    usage = Usage(model="tiered", tokens_in=150_000, cache_read=150_000)
    assert price(TABLE, usage) == 0.0075


def test_requests_and_searches_are_charged_on_top():
    usage = Usage(model="searcher", tokens_in=1_000, searches=3)
    assert price(TABLE, usage) == 0.028


def test_nothing_is_rounded_away_above_a_billionth():
    assert price(TABLE, Usage(model="tiered", cache_read=1, tokens_in=1)) == 1e-8


def test_figures_that_contradict_each_other_never_make_a_negative_price():
    usage = Usage(model="painter", tokens_in=5, cache_read=50, tokens_out=1, tokens_image=9)
    assert price(TABLE, usage) > 0


def test_a_request_without_a_limit_still_has_a_bound():
    assert worst_case(TABLE, "plain", 0, 0) == 1.28


def test_what_searches_find_is_input_too():
    bound = worst_case(TABLE, "searcher", 1_000, 1_000, searches=2)
    assert bound == round(0.041 + 0.001 + 0.012 + 2 * 0.005, 9)


def test_a_picture_without_a_limit_is_bounded_by_the_picture():
    assert 0.15 < worst_case(TABLE, "painter", 100, 0, images=1) < 0.2


@pytest.mark.parametrize(
    "starts", [(), (5,), (0, 10, 10), (0, 20, 10)], ids=["none", "late", "twice", "falling"]
)
def test_tiers_must_start_at_nothing_and_rise(starts: tuple[int, ...]):
    with pytest.raises(ValidationError):
        ModelPrice(tiers=tuple(Rates(above=start, input=1, output=1) for start in starts))


def test_a_negative_rate_is_refused():
    with pytest.raises(ValidationError):
        Rates(input=-1, output=1)


@given(
    model=st.sampled_from(sorted(TABLE.models)),
    parts=st.tuples(*[st.integers(0, 300_000)] * 4),
    tokens_out=st.integers(1, 200_000),
    image=st.integers(0, 2_520),
    searches=st.integers(0, SEARCHES),
)
def test_no_call_costs_more_than_its_bound(
    model: str, parts: tuple[int, ...], tokens_out: int, image: int, searches: int
):
    _, read, written, written_1h = parts
    usage = Usage(
        model=model,
        tokens_in=sum(parts),
        tokens_out=tokens_out + image,
        tokens_image=image,
        cache_read=read,
        cache_write=written,
        cache_write_1h=written_1h,
        searches=searches,
    )
    bound = worst_case(TABLE, model, sum(parts), tokens_out, images=1)
    assert price(TABLE, usage) <= bound + 1e-9
