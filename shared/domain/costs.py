"""What a call costs, and the most it can cost before it is made: arithmetic on a price table.

The provider's own bill wins wherever it states one. Nothing is rounded before the last step.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from shared.domain.values import Value
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from shared.domain.values import Usage

MTOK = 1_000_000
# A request without a limit of its own: no model we name writes more than this in one answer.
UNLIMITED_OUTPUT = 128_000
# The largest picture (4K) any of the image models bills, and the thinking and text around one.
PICTURE_TOKENS = 2_520
TEXT_PER_PICTURE = 8_192
# What an agent that searches may do for one answer, and what each search gives it to read.
SEARCHES = 10
READ_PER_SEARCH = 20_000

type Dollars = float


class Rates(Value):
    """Dollars per million tokens for prompts of more than `above` tokens.

    A class of tokens without a rate of its own is billed as plain input or plain output.
    """

    above: int = Field(default=0, ge=0)
    input: Dollars = Field(ge=0)
    output: Dollars = Field(ge=0)
    cache_read: Dollars | None = Field(default=None, ge=0)
    cache_write: Dollars | None = Field(default=None, ge=0)
    cache_write_1h: Dollars | None = Field(default=None, ge=0)
    image_output: Dollars | None = Field(default=None, ge=0)

    @property
    def dearest_input(self) -> Dollars:
        written = (self.cache_write or 0.0, self.cache_write_1h or 0.0)
        return max(self.input, self.cache_read or 0.0, *written)


class ModelPrice(Value):
    """A model's rates, cheapest tier first, and what it charges per request and per search.

    A tier applies to the whole call once its prompt is longer than the tier's `above`.
    """

    tiers: tuple[Rates, ...] = Field(min_length=1)
    per_request: Dollars = Field(default=0.0, ge=0)
    per_search: Dollars = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _tiers_rise_from_zero(self) -> Self:
        starts = [tier.above for tier in self.tiers]
        if starts[0] != 0 or any(low >= high for low, high in pairwise(starts)):
            raise ValueError("tiers must start at 0 and rise")
        return self

    def rates(self, tokens_in: int) -> Rates:
        return [self.tiers[0], *(tier for tier in self.tiers if tokens_in > tier.above > 0)][-1]


class PriceTable(Value):
    """The prices of every model we name; `version` says where they come from and of which day."""

    version: str
    models: dict[str, ModelPrice]

    def of(self, model: str) -> ModelPrice:
        try:
            return self.models[model]
        except KeyError:
            raise Misconfigured(
                f"no price is known for model {model!r} in price table {self.version}:"
                " add it to the models of shared/providers/pricing.py and write the table anew"
            ) from None


def price(table: PriceTable, usage: Usage) -> Dollars:
    """What the call cost: the provider's bill if it sent one, else its figures times our table."""
    if usage.cost_usd is not None:
        return round(usage.cost_usd, 9)
    model = table.of(usage.model)
    rates = model.rates(usage.tokens_in)
    tokens = _input_cost(rates, usage) + _output_cost(rates, usage)
    return round(tokens / MTOK + model.per_request + usage.searches * model.per_search, 9)


def worst_case(
    table: PriceTable,
    model: str,
    tokens_in: int,
    max_tokens: int,
    *,
    images: int = 0,
    searches: int = SEARCHES,
) -> Dollars:
    """The most a call can cost. `max_tokens` 0 means that the request sets no limit.

    `searches` counts for models that charge per search; what they find is input as well.
    """
    known = table.of(model)
    read = tokens_in + (searches * READ_PER_SEARCH if known.per_search else 0)
    reachable = [tier for tier in known.tiers if tier.above == 0 or read > tier.above]
    tokens = max(_dearest(rates, read, max_tokens, images) for rates in reachable)
    return round(tokens / MTOK + known.per_request + searches * known.per_search, 9)


def _input_cost(rates: Rates, usage: Usage) -> float:
    cached = usage.cache_read + usage.cache_write + usage.cache_write_1h
    return (
        max(usage.tokens_in - cached, 0) * rates.input
        + usage.cache_read * _rate(rates.cache_read, rates.input)
        + usage.cache_write * _rate(rates.cache_write, rates.input)
        + usage.cache_write_1h * _rate(rates.cache_write_1h, rates.input)
    )


def _output_cost(rates: Rates, usage: Usage) -> float:
    text = max(usage.tokens_out - usage.tokens_image, 0)
    return text * rates.output + usage.tokens_image * _rate(rates.image_output, rates.output)


def _dearest(rates: Rates, tokens_in: int, max_tokens: int, images: int) -> float:
    written = max_tokens or (images * TEXT_PER_PICTURE if images else UNLIMITED_OUTPUT)
    drawn = images * PICTURE_TOKENS * _rate(rates.image_output, rates.output)
    return tokens_in * rates.dearest_input + written * rates.output + drawn


def _rate(own: float | None, plain: float) -> float:
    return plain if own is None else own
