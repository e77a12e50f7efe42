"""A stage service whose provider answers at once: `python -m tests.bench.stage outline`.

Everything but the provider and the stage function is the real thing, so what is measured is what
Galley itself costs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, get_args

from shared.domain.values import ORDER, Provider, Stage, Usage
from shared.providers.port import Answer, Request
from shared.runtime.desk import Work
from shared.runtime.service import run_stage_service

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AsyncExitStack

    from shared.providers.port import Model, OnText
    from shared.runtime.desk import Desk

ANSWER_BYTES = 4096
SENTENCE = "The puppy sits when it is asked to, and then it gets what it has been waiting for. "
TEXT = (SENTENCE * (ANSWER_BYTES // len(SENTENCE) + 1))[:ANSWER_BYTES]


class Canned:
    """A model that has its answer ready."""

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:  # noqa: ARG002
        """The same four kilobytes, whatever is asked."""
        return Answer(text=TEXT, usage=Usage(model=request.model, tokens_in=1200, tokens_out=900))


async def one_call(desk: Desk) -> Work:
    """A stage reduced to its one question, which holds the stage before's output as in life."""
    request = Request(
        provider=desk.settings.provider,
        model=desk.settings.model,
        system=desk.rules,
        prompt=f"About {desk.config.topic}, {desk.today}\n{_earlier(desk)}",
        max_tokens=desk.settings.max_tokens,
    )
    answer = await desk.ask("answer", request, asking=f"Asking {request.model} for an answer")
    return Work(output=answer.text, summary=f"Answer checked: {len(answer.text):,} characters")


def _earlier(desk: Desk) -> str:
    outputs = [desk.output(stage) for stage in ORDER]
    return next((text for text in reversed(outputs) if text), "")


async def models(_stack: AsyncExitStack) -> Mapping[Provider, Model]:
    """Every provider is the canned one."""
    return dict.fromkeys(get_args(Provider.__value__), Canned())


if __name__ == "__main__":
    run_stage_service(Stage(sys.argv[1]), one_call, "Answer in four kilobytes.", models)
