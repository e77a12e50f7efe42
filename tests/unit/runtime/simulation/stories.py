"""What the simulated stages do: small functions of every shape the real ones have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.domain.values import Stage
from shared.errors import Permanent, ProviderError
from shared.providers.port import Request
from shared.runtime.desk import Work
from tests.unit.runtime.simulation.provider import MODEL

if TYPE_CHECKING:
    from shared.providers.port import Answer
    from shared.runtime.desk import Desk, StageFunction


async def _asked(desk: Desk, key: str, more: str = "", *, ratio: str = "") -> Answer:
    prompt = f"{key} {more} {desk.config.topic} {desk.note}"
    request = Request(
        provider="claude", model=MODEL, prompt=prompt, max_tokens=1000, stream=True, ratio=ratio
    )
    return await desk.ask(key, request, asking=f"Asking for {key}")


async def one(desk: Desk) -> Work:
    answer = await _asked(desk, "draft")
    return _work(answer)


async def two_in_a_row(desk: Desk) -> Work:
    first = await _asked(desk, "first")
    await desk.say("Half done")
    second = await _asked(desk, "second", first.text[:30])
    return _work(first, second)


async def several_at_once(desk: Desk) -> Work:
    """As the images stage: each may fail alone, all together may not."""
    await _asked(desk, "plan")
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_picture(desk, number)) for number in range(3)]
    except BaseExceptionGroup as ended:
        raise ended.exceptions[0] from None
    made = [answer for task in tasks if (answer := task.result()) is not None]
    if not made:
        raise Permanent("all failed", code="all_failed")
    return _work(*made)


async def _picture(desk: Desk, number: int) -> Answer | None:
    try:
        return await _asked(desk, f"image-{number}", ratio="16:9")
    except ProviderError:
        return None


async def asks_again(desk: Desk) -> Work:
    """The same key twice, with two questions."""
    first = await _asked(desk, "check", "once")
    second = await _asked(desk, "check", "twice")
    return _work(first, second)


def _work(*answers: Answer) -> Work:
    return Work(output="\n".join(each.text[:50] for each in answers), summary="Done")


STAGES: dict[Stage, StageFunction] = {
    Stage.RESEARCH: two_in_a_row,
    Stage.OUTLINE: one,
    Stage.WRITE: one,
    Stage.EDIT: asks_again,
    Stage.IMAGES: several_at_once,
    Stage.READY: one,
}
