"""The outline service: plans the article, with Claude."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from services.outline.stage import outline
from shared.domain.values import Stage
from shared.providers import claude
from shared.runtime.service import run_stage_service
from shared.settings import Claude, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from shared.domain.values import Provider
    from shared.providers.port import Model


async def models(stack: AsyncExitStack) -> Mapping[Provider, Model]:
    """What this stage may call, closed when the stack is."""
    return {"claude": await stack.enter_async_context(claude.connect(**load(Claude).access()))}


if __name__ == "__main__":
    rules = files("services.outline").joinpath("prompt.md").read_text("utf-8")
    run_stage_service(Stage.OUTLINE, outline, rules, models)
