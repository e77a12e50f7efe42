"""Bytes from a model become a WebP picture of known size, or a failure that names the reason.

The size is checked on the header, before a single pixel is decoded.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from dataclasses import dataclass

from PIL import Image, ImageOps

from shared.errors import Permanent

_FORMATS = ("PNG", "JPEG", "WEBP")
_MOST_PIXELS = 40_000_000
_LONGEST_SIDE = 16_383
"""A WebP picture cannot be longer."""
_MOST_BYTES = 40_000_000
_QUALITY = 82
_WIDEST = {"featured": 1920, "content": 1200}
_DECODING_FAILS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True, slots=True)
class Webp:
    """An encoded picture."""

    data: bytes
    width: int
    height: int


def to_webp(data: bytes, type_: str) -> Webp:
    """The picture, no wider than its type allows and never enlarged. Blocks: call it in a thread.

    Raises `Permanent` for anything that is not a whole PNG, JPEG or WebP of a sane size.
    """
    if len(data) > _MOST_BYTES:
        raise _unusable(f"it has {len(data):,} bytes")
    try:
        picture = _decoded(data)
        return _encoded(_fitted(picture, _WIDEST[type_]))
    except _DECODING_FAILS as error:
        raise _unusable(str(error) or type(error).__name__) from error


def _unusable(reason: str) -> Permanent:
    # Pillow names the buffer by its address, which differs from run to run.
    told = re.sub(r"<_io\.BytesIO object at 0x[0-9a-f]+>", "the data", reason)[:200]
    return Permanent(f"the picture cannot be used: {told}", code="unusable_image")


def _decoded(data: bytes) -> Image.Image:
    opened = Image.open(io.BytesIO(data), formats=_FORMATS)
    width, height = opened.size
    if width * height > _MOST_PIXELS:
        raise ValueError(f"{width} x {height} is more than {_MOST_PIXELS:,} pixels")
    if max(width, height) > _LONGEST_SIDE:
        raise ValueError(f"{width} x {height} is longer than {_LONGEST_SIDE:,} pixels")
    # Turning it upright is what decodes the pixels.
    upright = ImageOps.exif_transpose(opened)
    return upright.convert("RGBA" if upright.has_transparency_data else "RGB")


def _fitted(picture: Image.Image, widest: int) -> Image.Image:
    if picture.width <= widest:
        return picture
    height = max(1, round(picture.height * widest / picture.width))
    return picture.resize((widest, height), Image.Resampling.LANCZOS)


def _encoded(picture: Image.Image) -> Webp:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=_QUALITY)
    return Webp(out.getvalue(), picture.width, picture.height)


def file_name(slug: str, number: int, data: bytes) -> str:
    """A name that is safe in every file system and address, and unique by the picture's content."""
    words = re.sub(r"[^a-z0-9]+", "-", slug.lower()).strip("-")[:60].rstrip("-")
    return f"{words or 'image'}-{number}-{hashlib.sha256(data).hexdigest()[:8]}.webp"
