"""The image manifest as stored: one of its pictures is looked up or changed, the others stay as
they are, to the letter.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.content.pictures import Webp
    from shared.domain.values import Blob

type Manifest = dict[str, Any]

MOST_ALT = 124
_OF_ITS_MAKING = ("error", "uploaded")


class NoManifest(ValueError):
    """The text is no manifest, perhaps because a person has edited it into something else."""


class NoImage(ValueError):
    """The manifest has no image of this number."""


def read(text: str) -> Manifest:
    """The manifest in a stage's output. Raises `NoManifest`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoManifest("the image manifest is not JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("images"), list):
        raise NoManifest("the image manifest holds no list of images")
    return found


def written(manifest: Mapping[str, Any]) -> str:
    """The manifest as it is stored, the same text for the same content."""
    return json.dumps(manifest, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def image(manifest: Manifest, number: int) -> dict[str, Any]:
    """The image of this number, counted from 1. Raises `NoImage`."""
    images = manifest["images"]
    found = images[number - 1] if 1 <= number <= len(images) else None
    if not isinstance(found, dict):
        raise NoImage(f"there is no image {number}")
    return found


def described(manifest: Manifest, number: int, alt: str) -> Manifest:
    """With another alt text for one image. Raises `NoImage`."""
    return _with(manifest, number, {**image(manifest, number), "alt_text": alt})


def replaced(manifest: Manifest, number: int, changes: Mapping[str, Any]) -> Manifest:
    """With another picture for one image, and the counts put right. Raises `NoImage`."""
    former = image(manifest, number)
    kept = {name: value for name, value in former.items() if name not in _OF_ITS_MAKING}
    return _counted(_with(manifest, number, {**kept, **changes}))


def shown(filename: str, picture: Webp, blob: Blob) -> dict[str, Any]:
    """What an entry says of the picture itself."""
    return {
        "filename": filename,
        "generated": True,
        "size_bytes": len(picture.data),
        "width": picture.width,
        "height": picture.height,
        "blob": blob.model_dump(mode="json"),
    }


def _with(manifest: Manifest, number: int, entry: dict[str, Any]) -> Manifest:
    images = [*manifest["images"]]
    images[number - 1] = entry
    return {**manifest, "images": images}


def _counted(manifest: Manifest) -> Manifest:
    images = manifest["images"]
    failed = sum(not (isinstance(each, dict) and each.get("generated")) for each in images)
    counted = {**manifest, "total_generated": len(images) - failed, "total_failed": failed}
    warnings = manifest.get("warnings")
    if not isinstance(warnings, list):
        return counted
    others = [each for each in warnings if not _is_count(each)]
    return {**counted, "warnings": [*others, *count_of_failed(failed, len(images))]}


def count_of_failed(failed: int, images: int) -> tuple[str, ...]:
    """The warning that some images failed, if any did."""
    return (f"{failed} of {images} images failed",) if failed else ()


def _is_count(warning: object) -> bool:
    return isinstance(warning, str) and warning.endswith(" images failed")
