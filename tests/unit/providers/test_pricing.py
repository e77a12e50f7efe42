"""The shipped table says what the vendors' pages say, and the check notices when it does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shared.domain.costs import PriceTable, price
from shared.domain.values import Usage
from shared.providers import pricing
from shared.providers.prices import load_prices

if TYPE_CHECKING:
    from pathlib import Path

# Read off the vendors' pages by hand: input, output, cache read, cache write (five minutes).
CLAUDE = {
    "claude-fable-5-2": (8, 40, 0.20, 10),
    "claude-opus-5-5": (4, 20, 0.20, 5),
    "claude-sonnet-5-5": (2, 10, 0.10, 2.50),
    "claude-haiku-5-5": (0.10, 0.50, 0.01, 0.125),
    "claude-sonnet-4-6": (3, 15, 0.30, 3.75),
    "claude-haiku-4-5": (1, 5, 0.10, 1.25),
}
PICTURES = {
    "gemini-3.1-flash-image": 60,
    "gemini-nano-banana-2.1": 30,
    "gemini-3.1-flash-lite-image": 30,
    "gemini-3-pro-image": 120,
    "gemini-2.5-flash-image": 30,
}


@pytest.mark.parametrize("model", CLAUDE)
def test_claude_costs_what_the_page_says(model: str):
    rates = load_prices().of(model).tiers[0]
    assert (rates.input, rates.output, rates.cache_read, rates.cache_write) == CLAUDE[model]


@pytest.mark.parametrize("model", PICTURES)
def test_a_picture_costs_what_the_page_says(model: str):
    assert load_prices().of(model).tiers[0].image_output == PICTURES[model]


def test_haiku_has_a_second_tier_beyond_a_hundred_thousand_tokens():
    first, second = load_prices().of("claude-haiku-5-5").tiers
    assert (first.above, second.above) == (0, 100_000)
    assert (second.input, second.output) == (0.50, 2.50)


def test_sonar_pro_is_priced_as_a_request_with_the_largest_search_context():
    sonar = load_prices().of("sonar-pro")
    assert (sonar.tiers[0].input, sonar.tiers[0].output, sonar.per_request) == (3, 15, 0.014)


def test_a_cached_call_matches_hand_arithmetic():
    usage = Usage(
        model="claude-sonnet-5-5",
        tokens_in=10_100,
        cache_write=2_000,
        cache_read=8_000,
        tokens_out=1_000,
    )
    assert price(load_prices(), usage) == 0.016


def test_an_image_of_1290_tokens_matches_hand_arithmetic():
    usage = Usage(
        model="gemini-3.1-flash-image", tokens_in=12, tokens_out=1_290, tokens_image=1_290
    )
    assert price(load_prices(), usage) == 0.077406


def test_every_model_we_name_has_a_price():
    named = [model for models in pricing.MODELS.values() for model in models]
    assert sorted(load_prices().models) == sorted(named)


def test_the_shipped_table_is_not_stale(capsys: pytest.CaptureFixture[str]):
    assert pricing.main(["--check"]) == 0
    assert capsys.readouterr().out == ""


def test_the_check_shows_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    told = json.loads(pricing.TABLE.read_text())
    told["models"]["sonar-pro"]["tiers"][0]["output"] = 16.0
    altered = tmp_path / "prices.json"
    altered.write_text(json.dumps(told, indent=2) + "\n")
    monkeypatch.setattr(pricing, "TABLE", altered)
    assert pricing.main(["--check"]) == 1
    shown = capsys.readouterr().out
    assert '-          "output": 16.0' in shown
    assert '+          "output": 15.0' in shown


def test_writing_makes_a_table_that_passes_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    written = tmp_path / "prices.json"
    monkeypatch.setattr(pricing, "TABLE", written)
    assert pricing.main(["--write"]) == 0
    table = PriceTable.model_validate_json(written.read_text())
    assert table.models == load_prices().models
