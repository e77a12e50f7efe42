"""The models a change of a post pins: only legal ones, and what is not said as for a new post."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.documents.model_choices import require_legal
from services.gateway.documents.settings_api import in_force
from shared.domain.documents import ModelChoice

if TYPE_CHECKING:
    from services.gateway.context import Gateway
    from services.gateway.posts.patch import PostPatch
    from shared.domain.values import ModelSettings, Stage


def require_callable(gateway: Gateway, asked: PostPatch) -> None:
    """Raises what a request with a value out of bounds raises."""
    require_legal(gateway.choices, _choices(asked))


async def pinned_models(gateway: Gateway, asked: PostPatch) -> dict[Stage, ModelSettings]:
    """What the stages named will call from their next run on. Raises `LogUnavailable`."""
    said = _choices(asked)
    if not said:
        return {}
    behind = (await in_force(gateway)).stage_models
    return {
        stage: gateway.choices[stage].chosen(_over(behind.get(stage), choice))
        for stage, choice in said.items()
    }


def _choices(asked: PostPatch) -> dict[Stage, ModelChoice]:
    return {stage: each.choice for stage, each in asked.models.items()}


def _over(below: ModelChoice | None, said: ModelChoice) -> ModelChoice:
    return (below or ModelChoice()).model_copy(update=said.model_dump(exclude_none=True))
