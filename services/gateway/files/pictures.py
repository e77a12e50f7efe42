"""A post's images by file name: only what one of its own manifests names is ever served.

A name comes from the manifest, never from the file system, and its bytes from the media store,
verified. Images of earlier manifests stay reachable, since an older article may still show them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from services.gateway.rows import ReadModelAway
from services.gateway.web.problems import Missing
from shared.domain.outputs import changed_output
from shared.domain.values import Blob, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from services.gateway.context import Gateway
    from shared.domain.subjects import PostRef

SHOWN = frozenset({"image/webp", "image/png", "image/jpeg"})


class _Image(BaseModel):
    model_config = ConfigDict(extra="ignore")

    filename: str
    generated: bool = False
    blob: Blob


class Picture(NamedTuple):
    """An image's file name and where its bytes are."""

    filename: str
    blob: Blob


def pictures(post: UUID, manifest: str) -> list[Picture]:
    """The generated images of this post that a manifest names; all else is passed over.

    A manifest may have been edited by hand: what it says of another post's objects counts nothing.
    """
    try:
        read = json.loads(manifest)
    except (ValueError, RecursionError):
        return []
    images = read.get("images") if isinstance(read, dict) else None
    found = _valid(images) if isinstance(images, list) else iter(())
    return [picture for picture in found if picture.blob.name.startswith(f"{post}/")]


def _valid(images: list[object]) -> Iterator[Picture]:
    for each in images:
        try:
            image = _Image.model_validate(each)
        except ValidationError:
            continue
        if image.generated:
            yield Picture(image.filename, image.blob)


async def find(gateway: Gateway, ref: PostRef, filename: str) -> Blob:
    """Where the bytes of a post's image are. Raises `Missing`."""
    blob = _named(filename, ref.id, [await _projected(gateway, ref)])
    blob = blob or _named(filename, ref.id, await _stored(gateway, ref))
    if blob is None:
        raise Missing("this post has no such image")
    return blob


def _named(filename: str, post: UUID, manifests: list[str]) -> Blob | None:
    known = (picture for manifest in manifests for picture in pictures(post, manifest))
    return next((picture.blob for picture in known if picture.filename == filename), None)


async def _projected(gateway: Gateway, ref: PostRef) -> str:
    try:
        return await gateway.rows.manifest(ref.id) or ""
    except ReadModelAway:
        return ""


async def _stored(gateway: Gateway, ref: PostRef) -> list[str]:
    """Every manifest the post ever had, newest first."""
    history = await gateway.events.read(ref)
    if history.post.deleted:
        return []
    changes = (changed_output(fact) for _, fact in reversed(history.flow))
    return [text for stage, text in filter(None, changes) if stage is Stage.IMAGES]


async def load(gateway: Gateway, blob: Blob) -> bytes:
    """The image's bytes. Raises `Missing`."""
    data = await gateway.media.get(blob.name)
    if data is None:
        raise Missing("this image is not in the media store any more")
    return data
