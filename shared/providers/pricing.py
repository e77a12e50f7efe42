"""Writes `prices.json` from the published prices of `genai-prices`, or says that it is out of date.

`python -m shared.providers.pricing --write` takes today's prices; `--check` exits 1 with a diff
when the installed `genai-prices` disagrees with the table for the day the table was written.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from genai_prices import data_snapshot
from genai_prices.types import TieredPrices

from shared.domain.costs import ModelPrice, PriceTable, Rates
from shared.providers.prices import FILE, load_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genai_prices.types import ModelPrice as Published

MODELS: dict[str, tuple[str, ...]] = {
    "anthropic": (
        "claude-fable-5-2",
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
        "claude-sonnet-4-6",
        "claude-haiku-4-5",
    ),
    "google": (
        "gemini-3.1-flash-image",
        "gemini-3-pro-image",
        "gemini-nano-banana-2.1",
        "gemini-3.1-flash-lite-image",
        "gemini-2.5-flash-image",
    ),
    "perplexity": ("sonar", "sonar-pro", "perplexity/sonar"),
}

# The others are never asked to search, so that a price per search would only inflate their bounds.
SEARCHING = frozenset({"perplexity"})
# Our name for a rate, and the source's.
RATES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "image_output": "output_image_mtok",
}
TABLE = Path(__file__).with_name(FILE)

type Rate = Decimal | TieredPrices


def build(day: date) -> PriceTable:
    """The prices of our models as they stand on `day`."""
    models = {
        name: _model_price(provider, name, day)
        for provider, names in MODELS.items()
        for name in names
    }
    return PriceTable(version=f"genai-prices {version('genai-prices')} of {day}", models=models)


def render(table: PriceTable) -> str:
    """The table as the file holds it."""
    told = table.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(told, indent=2) + "\n"


def stale(stored: str, day: date) -> str:
    """How the stored table differs from the published prices; empty when it does not."""
    new = render(build(day)).splitlines(keepends=True)
    old = stored.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, f"{FILE} (stored)", f"{FILE} (published)"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(prog="shared.providers.pricing", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the table with today's prices")
    action.add_argument("--check", action="store_true", help="exit 1 when the table is stale")
    if parser.parse_args(arguments).write:
        TABLE.write_text(render(build(_today())), encoding="utf-8")
        return 0
    difference = stale(TABLE.read_text(encoding="utf-8"), _day(load_prices()))
    sys.stdout.write(difference)
    return 1 if difference else 0


def _day(table: PriceTable) -> date:
    return date.fromisoformat(table.version.rsplit(maxsplit=1)[-1])


def _today() -> date:
    # A command a person runs is an edge: it may look at the clock.
    return datetime.now(UTC).date()  # noqa: TID251


def _model_price(provider: str, name: str, day: date) -> ModelPrice:
    published = _published(provider, name, day)
    return ModelPrice(
        tiers=tuple(_rates(published, above) for above in _starts(published)),
        per_request=_per_thousand(published.requests_kcount),
        per_search=_per_thousand(published.web_searches_kcount) if provider in SEARCHING else 0.0,
    )


def _published(provider: str, name: str, day: date) -> Published:
    _, model = data_snapshot.get_snapshot().find_provider_model(name, None, provider, None)
    return model.get_prices(datetime.combine(day, time(12), UTC))


def _starts(published: Published) -> list[int]:
    tiered = [rate for _, rate in _told(published) if isinstance(rate, TieredPrices)]
    return sorted({0, *(tier.start for rate in tiered for tier in rate.tiers)})


def _told(published: Published) -> list[tuple[str, Rate]]:
    rates = [(ours, getattr(published, theirs)) for ours, theirs in RATES.items()]
    return [(name, rate) for name, rate in rates if rate is not None]


def _rates(published: Published, above: int) -> Rates:
    flat = {name: _at(rate, above) for name, rate in _told(published)}
    return Rates.model_validate({"above": above, **flat})


def _at(rate: Rate, above: int) -> float:
    if isinstance(rate, Decimal):
        return float(rate)
    return float([rate.base, *(tier.price for tier in rate.tiers if tier.start <= above)][-1])


def _per_thousand(rate: Rate | None) -> float:
    if rate is None:
        return 0.0
    if isinstance(rate, TieredPrices):
        raise TypeError("a tiered price per thousand requests is not understood")
    return float(rate / 1000)


if __name__ == "__main__":
    sys.exit(main())
