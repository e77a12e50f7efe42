"""Which models a stage may be set to: those of its provider that the price table knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError

from shared.domain.values import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.domain.costs import PriceTable
    from shared.domain.documents import ModelChoice
    from shared.domain.values import ModelSettings, Provider

_EFFORTS = ("low", "medium", "high")
_NAMED: Mapping[str, Provider] = {
    "claude-": "claude",
    "gemini-": "gemini",
    "sonar": "perplexity",
    "perplexity/": "perplexity",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What one stage may be set to, beside its default."""

    default: ModelSettings
    models: tuple[str, ...]
    efforts: tuple[str, ...]
    image_models: tuple[str, ...] = ()

    def objections(self, choice: ModelChoice) -> Iterator[tuple[str, str]]:
        """The fields that cannot be as they are, each with what it may be."""
        said = (
            ("model", choice.model, self.models),
            ("effort", choice.effort, self.efforts),
            ("image_model", choice.image_model, self.image_models),
        )
        for name, value, legal in said:
            if value is not None and value not in legal:
                yield name, f"must be one of {', '.join(legal)}" if legal else "cannot be set here"

    def chosen(self, choice: ModelChoice | None) -> ModelSettings:
        """The default with what was chosen in its place."""
        said = choice.model_dump(exclude_none=True) if choice else {}
        return self.default.model_copy(update=said)


def choices(prices: PriceTable, defaults: Mapping[Stage, ModelSettings]) -> dict[Stage, Choices]:
    return {stage: _of(stage, prices, default) for stage, default in defaults.items()}


def require_legal(choices: Mapping[Stage, Choices], said: Mapping[Stage, ModelChoice]) -> None:
    """Raises what a request with a value out of bounds raises."""
    wrong = [
        {"loc": ("body", "stage_models", stage.value, name), "msg": problem, "type": "value_error"}
        for stage, choice in said.items()
        for name, problem in choices[stage].objections(choice)
    ]
    if wrong:
        raise RequestValidationError(wrong)


def documented(choices: Mapping[Stage, Choices]) -> dict[str, Any]:
    """What `stage_models` of the settings may say, as a JSON schema."""
    stages = {stage.value: _schema(each) for stage, each in choices.items()}
    return _object(stages) if stages else {"type": "object", "maxProperties": 0}


def _schema(choices: Choices) -> dict[str, Any]:
    legal = {
        "model": choices.models,
        "effort": choices.efforts,
        "image_model": choices.image_models,
    }
    return _object({name: {"enum": [*values, None]} for name, values in legal.items()})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _of(stage: Stage, prices: PriceTable, default: ModelSettings) -> Choices:
    named = [name for name in prices.models if _speaks(default, name)]
    return Choices(
        default=default,
        models=tuple(dict.fromkeys((default.model, *named))),
        efforts=() if _knows_no_effort(default) else _EFFORTS,
        image_models=_pictures(prices, default) if stage is Stage.IMAGES else (),
    )


def _speaks(default: ModelSettings, name: str) -> bool:
    """Perplexity's two APIs name their models differently, and a service speaks only one."""
    return _provider(name) == default.provider and ("/" in name) == ("/" in default.model)


def _provider(model: str) -> Provider | None:
    return next((provider for start, provider in _NAMED.items() if model.startswith(start)), None)


def _knows_no_effort(default: ModelSettings) -> bool:
    return default.provider == "perplexity" and "/" not in default.model


def _pictures(prices: PriceTable, default: ModelSettings) -> tuple[str, ...]:
    drawing = [
        name
        for name, price in prices.models.items()
        if any(tier.image_output is not None for tier in price.tiers)
    ]
    return tuple(dict.fromkeys((*filter(None, [default.image_model]), *drawing)))
