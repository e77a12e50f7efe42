"""The pictures an article can show, from the manifest, and where they stand in it.

Placing a picture inserts lines and changes none.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.content.article import normal
from shared.content.markdown import headings, parse
from shared.content.structured import NotJson, json_object
from shared.content.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MARKS = re.compile(r"([\\`*_\[\]<>&!])")
_ESCAPED = r"\\\1"
# A person may have edited the manifest: a file name must still be no path.
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Unreadable(ValueError):
    """The manifest is not one."""


class _Placement(BaseModel):
    model_config = ConfigDict(extra="ignore")

    after_section: str | None = ""


class _Image(BaseModel):
    model_config = ConfigDict(extra="ignore")

    type: str = "content"
    filename: str = ""
    alt_text: str = ""
    generated: bool = False
    placement: _Placement = _Placement()


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    images: tuple[_Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that exists."""

    filename: str
    alt: str
    featured: bool
    section: str

    @property
    def path(self) -> str:
        """Its address beside the article; the gateway puts the post's media address before it."""
        return f"media/{self.filename}"

    @property
    def markdown(self) -> str:
        """The line that shows it."""
        return f"![{_MARKS.sub(_ESCAPED, self.alt)}]({self.path})"


def pictures(manifest: str) -> tuple[Picture, ...]:
    """The generated pictures of a manifest with usable names. Raises `Unreadable`."""
    if not manifest.strip():
        return ()
    try:
        images = _Manifest.model_validate(json_object(manifest)).images
    except (NotJson, ValidationError) as error:
        raise Unreadable(f"the image manifest cannot be read: {str(error)[:300]}") from error
    return tuple(
        Picture(
            image.filename,
            one_line(image.alt_text, 300),
            image.type == "featured",
            image.placement.after_section or "",
        )
        for image in images
        if image.generated and _FILE_NAME.fullmatch(image.filename)
    )


def listed(shown: Sequence[Picture]) -> str:
    """The pictures as a prompt names them; empty if there are none."""
    if not shown:
        return ""
    images = [
        {
            "filename": picture.filename,
            "alt_text": picture.alt,
            "placement": {"after_section": picture.section},
        }
        for picture in shown
    ]
    return json.dumps({"images": images}, ensure_ascii=False, indent=2)


def illustrated(
    article: str, shown: Sequence[Picture], asked: Mapping[str, str]
) -> tuple[str, tuple[str, ...]]:
    """The article with each picture after the first paragraph of its section.

    `asked` names sections by file name and is heeded where the article has such a section, else
    the manifest's own place is taken. The other value names pictures that had neither.
    """
    places = _places(article)
    lines = article.split("\n")
    inserts: dict[int, list[str]] = {}
    lost = []
    for picture in shown:
        wanted = (asked.get(picture.filename, ""), picture.section)
        section = next((key for name in wanted if (key := normal(name)) and key in places), "")
        if not section:
            lost.append(picture.filename)
        inserts.setdefault(places[section], []).append(picture.markdown)
    for place in sorted(inserts, reverse=True):
        lines[place:place] = _spaced(inserts[place], lines, place)
    return "\n".join(lines), tuple(lost)


def _spaced(shown: list[str], lines: list[str], place: int) -> list[str]:
    """The pictures as paragraphs of their own: blank lines only where the article has none."""
    block = [line for picture in shown for line in ("", picture)]
    follows = place < len(lines) and bool(lines[place].strip())
    return [*block, ""] if follows else block


def _places(article: str) -> dict[str, int]:
    """The line after which each section's picture goes; under the empty name the introduction's."""
    found = [heading for heading in headings(article) if heading.level <= 2]
    ends = _paragraph_ends(article)
    bounds = [*(heading.start for heading in found), article.count("\n") + 1]
    places: dict[str, int] = {}
    for heading, until in zip(found, bounds[1:], strict=True):
        if heading.level == 2 and normal(heading.text):
            places.setdefault(normal(heading.text), _place(heading.end, until, ends))
    titled = found[0].end if found and found[0].level == 1 else 0
    return {**places, "": _place(titled, bounds[1 if titled else 0], ends)}


def _place(start: int, until: int, ends: Sequence[int]) -> int:
    return next((end for end in ends if start < end <= until), start)


def _paragraph_ends(article: str) -> list[int]:
    """The line after each paragraph that stands in no list or quote."""
    return [
        token.map[1]
        for token in parse(article)
        if token.type == "paragraph_open" and token.level == 0 and token.map
    ]
