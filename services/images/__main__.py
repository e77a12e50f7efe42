"""The images service: plans pictures with Claude and has Gemini make them."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from services.images.stage import images
from shared.domain.values import Stage
from shared.providers import claude, gemini
from shared.runtime.service import run_stage_service
from shared.settings import Claude, Gemini, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from shared.domain.values import Provider
    from shared.providers.port import Model


async def models(stack: AsyncExitStack) -> Mapping[Provider, Model]:
    """What this stage may call, closed when the stack is."""
    return {
        "claude": await stack.enter_async_context(claude.connect(**load(Claude).access())),
        "gemini": await stack.enter_async_context(gemini.connect(**load(Gemini).access())),
    }


if __name__ == "__main__":
    rules = files("services.images").joinpath("prompt.md").read_text("utf-8")
    run_stage_service(Stage.IMAGES, images, rules, models)
