"""The research service: asks the web, through Perplexity."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from services.research.stage import research
from shared.domain.values import Stage
from shared.providers import perplexity
from shared.runtime.service import run_stage_service
from shared.settings import Perplexity, load

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from shared.domain.values import Provider
    from shared.providers.port import Model


async def models(stack: AsyncExitStack) -> Mapping[Provider, Model]:
    """What this stage may call, closed when the stack is."""
    mine = load(Perplexity)
    client = perplexity.connect(wire=mine.wire, **mine.access())
    return {"perplexity": await stack.enter_async_context(client)}


if __name__ == "__main__":
    rules = files("services.research").joinpath("prompt.md").read_text("utf-8")
    run_stage_service(Stage.RESEARCH, research, rules, models)
