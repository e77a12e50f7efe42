"""One picture of a manifest is made anew; whatever the others cost stays paid, to the last byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from services.images.making import make, tell
from services.images.manifest import RATIOS, SIZES, Planned, StyleBrief
from shared.content.illustrations import NoImage, NoManifest, image, read, replaced, shown, written
from shared.domain.values import Stage
from shared.errors import Permanent
from shared.runtime.desk import Work

if TYPE_CHECKING:
    from services.images.making import Made
    from shared.content.illustrations import Manifest
    from shared.domain.values import Redo
    from shared.runtime.desk import Desk


async def redone(desk: Desk, redo: Redo) -> Work:
    """The manifest with one picture made anew. Raises `Permanent` when there is none to make."""
    manifest, planned = _found(desk.output(Stage.IMAGES), redo)
    await desk.say(f"Making image {redo.image} anew")
    made = await make(desk, _style(manifest), planned, redo.image)
    await tell(desk, made, redo.image)
    changed = replaced(manifest, redo.image, _entry(made, planned))
    warnings = changed.get("warnings") or ()
    return Work(
        output=written(changed),
        warnings=tuple(str(each) for each in warnings if isinstance(each, str)),
        summary=f"Image {redo.image} made anew, the others kept",
    )


def _found(text: str, redo: Redo) -> tuple[Manifest, Planned]:
    try:
        manifest = read(text)
        return manifest, _planned(image(manifest, redo.image), redo)
    except (NoManifest, NoImage, ValidationError) as error:
        raise Permanent(_told(error), code="unusable_manifest") from error


def _told(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return "the image's entry in the manifest cannot be read"
    return str(error)


def _planned(entry: dict[str, Any], redo: Redo) -> Planned:
    """The plan of this picture, with what is asked for now in place of what was asked then."""
    planned = Planned.model_validate(entry)
    ratio, size = str(entry.get("ratio", "")), str(entry.get("size", ""))
    featured = planned.type == "featured"
    changes = {
        "prompt": redo.prompt or planned.prompt,
        "alt_text": redo.alt or planned.alt_text,
        "aspect_ratio": ratio if ratio in RATIOS else "16:9" if featured else "4:3",
        "image_size": size if size in SIZES else "2K" if featured else "1K",
    }
    planned = planned.model_copy(update=changes)
    if not planned.prompt:
        raise Permanent("the image has no prompt to make it from", code="no_prompt")
    return planned


def _style(manifest: Manifest) -> StyleBrief:
    try:
        return StyleBrief.model_validate(manifest.get("style_brief") or {})
    except ValidationError:
        return StyleBrief()


def _entry(made: Made, planned: Planned) -> dict[str, Any]:
    if made.picture is None or made.blob is None:
        raise Permanent("the answer holds no picture", code="no_image")
    asked = {"prompt": planned.prompt, "alt_text": planned.alt_text}
    return {**asked, **shown(made.filename, made.picture, made.blob)}
