"""One planned picture is made, or fails alone: its failure is an outcome, not an error."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.content.pictures import Webp, file_name, to_webp
from shared.content.text import one_line
from shared.errors import Permanent, ProviderError
from shared.providers.port import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.images.manifest import Plan, Planned, StyleBrief
    from shared.domain.values import Blob, PostConfig
    from shared.runtime.desk import Desk, Told

_AT_ONCE = 3
_NEVER = "text, letters, numbers, captions, logos, watermarks, borders, empty margins"


@dataclass(frozen=True, slots=True)
class Made:
    """A picture and where it is kept, or why there is none."""

    planned: Planned
    filename: str = ""
    picture: Webp | None = None
    blob: Blob | None = None
    error: str = ""


async def make_all(desk: Desk, plan: Plan) -> tuple[Made, ...]:
    """Every picture of the plan, three at a time, in the plan's order."""
    turn = asyncio.Semaphore(_AT_ONCE)
    ended = await asyncio.gather(
        *(_in_turn(turn, desk, plan, number) for number in range(1, len(plan.images) + 1)),
        return_exceptions=True,
    )
    # Only when all have ended: what is in flight for another picture may be paid already.
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return tuple(each for each in ended if not isinstance(each, BaseException))


async def _in_turn(turn: asyncio.Semaphore, desk: Desk, plan: Plan, number: int) -> Made:
    planned = plan.images[number - 1]
    async with turn:
        try:
            made = await make(desk, plan.style, planned, number)
        except ProviderError as error:
            made = Made(planned, error=one_line(str(error), 300) or error.code)
        await tell(desk, made, number)
        return made


async def make(desk: Desk, style: StyleBrief, planned: Planned, number: int) -> Made:
    """The picture, paid for once. Raises `ProviderError` when there is none."""
    request = Request(
        provider="gemini",
        model=desk.settings.image_model,
        prompt=picture_prompt(planned, style, desk.config),
        ratio=planned.aspect_ratio,
        size=planned.image_size,
    )
    asking = f"Asking {request.model} for image {number}"
    answer = await desk.ask(f"image-{number}", request, asking=asking, level="debug")
    if not answer.pictures:
        raise Permanent("the answer holds no picture", code="no_image", raw=answer.text[:500])
    picture = await asyncio.to_thread(to_webp, answer.pictures[0].data, planned.type)
    blob = await desk.keep(picture.data, "image/webp")
    return Made(planned, file_name(desk.config.slug, number, picture.data), picture, blob)


async def tell(desk: Desk, made: Made, number: int) -> None:
    """Say what became of a picture."""
    if made.picture is None:
        failure: Told = {"index": number, "error": made.error}
        told = f"Image {number} failed: {made.error}"
        await desk.say(told, level="error", kind="image_failed", data=failure)
        return
    size = len(made.picture.data)
    told = f"Image {number} made: {made.picture.width} x {made.picture.height}, {size:,} bytes"
    data: Told = {"index": number, "bytes": size, "path": made.filename}
    await desk.say(told, kind="image_generated", data=data)


def picture_prompt(planned: Planned, style: StyleBrief, config: PostConfig) -> str:
    """Everything the picture model is to know: the scene, the common style, and what to leave out.

    What the user asked for stands beside what the plan made of it, so that none of it can be lost.
    """
    colours = [*config.image_brand_colors, *style.color_palette]
    lines = (
        ("", planned.prompt),
        ("Style", _joined([config.image_style, style.overall_style, style.treatment])),
        ("Mood", style.mood),
        ("Colours, used as a palette and never shown as swatches", ", ".join(_once(colours))),
        ("For", style.audience_context),
        ("Composition", f"fills the whole {planned.aspect_ratio} frame from edge to edge"),
        ("Leave out", _joined([*config.image_exclude, planned.negative_prompt])),
        ("Never show", _joined([style.negative_prompt, _NEVER])),
    )
    told = [(key, one_line(text, 4_000)) for key, text in lines if text.strip()]
    return "\n".join(f"{key}: {text}" if key else text for key, text in told)


def _joined(parts: Sequence[str]) -> str:
    return "; ".join(_once(parts))


def _once(parts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))
