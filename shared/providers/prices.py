"""The price table this version of Galley was shipped with."""

from __future__ import annotations

from importlib.resources import files

from shared.domain.costs import PriceTable

FILE = "prices.json"


def load_prices() -> PriceTable:
    """Read the table that stands beside this module."""
    return PriceTable.model_validate_json(files("shared.providers").joinpath(FILE).read_bytes())
