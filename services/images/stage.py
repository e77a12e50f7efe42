"""Images: a plan for the article's pictures, the pictures themselves, and a manifest of both.

The output is JSON. Each image names its file, its blob in the media store and the section it
belongs to; whoever shows the article turns a file name into an address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.images.making import Made, make_all
from services.images.manifest import (
    Fault,
    Manifest,
    Plan,
    content_images,
    parse,
    plan,
    shortcoming,
)
from services.images.redoing import redone
from services.images.sections import placed
from shared.content.article import title_of
from shared.content.illustrations import count_of_failed, shown, written
from shared.content.markdown import sections
from shared.content.prompt import compose
from shared.content.structured import strict_schema
from shared.content.usable import unusable
from shared.domain.values import Stage
from shared.errors import Permanent
from shared.runtime.desk import Work, question

if TYPE_CHECKING:
    from shared.providers.port import Answer
    from shared.runtime.desk import Desk

_AGAIN = """\
Your last manifest could not be used: {fault}. Write the whole manifest again with this put right,
as one JSON object and nothing else."""


async def images(desk: Desk) -> Work:
    """Plan the pictures, make them, and tell what became of each; or make one of them anew."""
    if not desk.settings.image_model:
        raise Permanent("no picture model is set for the images stage", code="no_image_model")
    if desk.redo is not None:
        return await redone(desk, desk.redo)
    planned = await _planned(desk)
    count = len(planned.images)
    noun = "image" if count == 1 else "images"
    await desk.say(f"Generating {count} {noun}, three at a time")
    made = await make_all(desk, planned)
    if not any(each.picture for each in made):
        causes = "; ".join(dict.fromkeys(each.error for each in made))
        told = f"all {count} images failed: {causes}"[:1_000]
        raise Permanent(told, code="all_images_failed", call="image-1")
    return _work(planned, made)


async def _planned(desk: Desk) -> Plan:
    """The plan the model gives, asked once more if the first one falls short."""
    article = desk.output(Stage.EDIT)
    wanted = content_images(desk.config.word_count)
    answer = await _ask(desk, "manifest", "")
    fault = _fault(answer, wanted)
    if fault:
        await desk.say(f"The image manifest could not be used: {fault}", level="warning")
        answer = await _ask(desk, "manifest-again", fault)
    try:
        planned = plan(parse(answer.text), wanted, title_of(article) or desk.config.topic)
    except Fault as error:
        reason = f"no usable image manifest: {error}"
        raise unusable(reason, answer.text, code="unusable_manifest") from error
    pictures, moved = placed(planned.images, sections(article))
    return Plan(planned.style, pictures, (*planned.warnings, *moved))


def _fault(answer: Answer, wanted: int) -> str:
    try:
        return shortcoming(parse(answer.text), wanted)
    except Fault as error:
        return str(error)


async def _ask(desk: Desk, key: str, fault: str) -> Answer:
    prompt = compose(
        desk,
        Stage.IMAGES,
        {"ARTICLE": desk.output(Stage.EDIT)},
        extra=_style_lines(desk),
        closing=_AGAIN.format(fault=fault) if fault else "Write the image manifest.",
    )
    request = question(desk, prompt.system, prompt.text, schema=strict_schema(Manifest))
    return await desk.ask(key, request, asking=f"Asking {request.model} for the image manifest")


def _style_lines(desk: Desk) -> tuple[tuple[str, str], ...]:
    config = desk.config
    return (
        ("Image style", config.image_style),
        ("Image brand colors", ", ".join(config.image_brand_colors)),
        ("Keep out of images", ", ".join(config.image_exclude)),
        ("Featured images", "1"),
        ("Content images", str(content_images(config.word_count))),
    )


def _work(planned: Plan, made: tuple[Made, ...]) -> Work:
    failed = sum(each.picture is None for each in made)
    warnings = (
        *planned.warnings,
        *count_of_failed(failed, len(made)),
    )
    manifest = {
        "style_brief": planned.style.model_dump(mode="json"),
        "images": [_entry(each, index) for index, each in enumerate(made, start=1)],
        "total_generated": len(made) - failed,
        "total_failed": failed,
        "warnings": warnings,
    }
    return Work(
        output=written(manifest),
        warnings=warnings,
        summary=f"Images done: {len(made) - failed} of {len(made)} made",
    )


def _entry(made: Made, index: int) -> dict[str, Any]:
    planned = made.planned
    entry = {
        "index": index,
        "type": planned.type,
        "prompt": planned.prompt,
        "negative_prompt": planned.negative_prompt,
        "alt_text": planned.alt_text,
        "ratio": planned.aspect_ratio,
        "size": planned.image_size,
        "placement": planned.placement.model_dump(mode="json"),
    }
    if made.picture is None or made.blob is None:
        return {**entry, "filename": "", "generated": False, "error": made.error}
    return {**entry, **shown(made.filename, made.picture, made.blob)}
