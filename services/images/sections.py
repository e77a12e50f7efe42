"""Every content picture stands in a section the article really has."""

from __future__ import annotations

from difflib import get_close_matches

from services.images.manifest import Placement, Planned
from shared.content.article import normal
from shared.content.text import one_line

_ALIKE = 0.75
_LONGEST = 300


def placed(
    images: tuple[Planned, ...], sections: tuple[str, ...]
) -> tuple[tuple[Planned, ...], tuple[str, ...]]:
    """The pictures with real section headings, and a warning for each that named none."""
    taken: list[str] = []
    result: list[Planned] = []
    warnings: list[str] = []
    for image in images:
        if image.type == "featured":
            result.append(_at(image, "featured_image", ""))
            continue
        asked = image.placement.after_section
        section = _matching(asked, sections)
        if section is None:
            section = _free(sections, taken)
            warnings.append(_moved(asked, section))
        taken.append(section)
        result.append(_at(image, "after_heading", section))
    return tuple(result), tuple(warnings)


def _matching(asked: str, sections: tuple[str, ...]) -> str | None:
    """The section meant: the same words, else one within the other, else nearly the same."""
    known = {normal(section): section for section in reversed(sections)}
    wanted = normal(one_line(asked, _LONGEST))
    if not wanted:
        return None
    if wanted in known:
        return known[wanted]
    within = [name for name in known if name and (name in wanted or wanted in name)]
    close = within or get_close_matches(wanted, known, n=1, cutoff=_ALIKE)
    return known[close[-1]] if close else None


def _free(sections: tuple[str, ...], taken: list[str]) -> str:
    """The first section with the fewest pictures so far; empty if there are no sections."""
    return min(sections, key=taken.count, default="")


def _moved(asked: str, section: str) -> str:
    there = f"placed in {section!r}" if section else "placed after the introduction"
    return f"An image asked for the unknown section {one_line(asked, 80)!r}: {there}"


def _at(image: Planned, location: str, section: str) -> Planned:
    return image.model_copy(
        update={"placement": Placement(location=location, after_section=section)}
    )
