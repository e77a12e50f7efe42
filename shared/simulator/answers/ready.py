"""The front matter of a finished article, and where its images belong, as plain values."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from shared.simulator.answers import manifest
from shared.simulator.answers.edit import description
from shared.simulator.answers.sources import slug
from shared.simulator.answers.subject import subject

if TYPE_CHECKING:
    from shared.simulator.brief import Brief
    from shared.simulator.chance import Chance

_TITLE = re.compile(r"\A\s*#[ \t]+([^\n]{1,300})")
_CATEGORIES = ("Guides", "Practice", "Everyday Life", "How-to")


def compose(brief: Brief, chance: Chance) -> dict[str, Any]:
    """Everything a schema for front matter may ask for."""
    about = subject(brief.topic)
    article = brief.block("ARTICLE", "DRAFT")
    match = _TITLE.match(article)
    title = match[1].strip() if match else about.title
    return {
        "title": title,
        "slug": slug(title),
        "description": description(about.doing),
        "date": brief.fields.get("today", ""),
        "author": "",
        "category": chance.pick(_CATEGORIES),
        "tags": list(dict.fromkeys([about.words[-1], "beginners", "routine"])),
        "featured_image_alt": f"Illustration about {about.doing}"[:124],
        "published": True,
        "placements": _placements(brief.block("MANIFEST"), manifest.sections(article)),
    }


def _placements(told: str, sections: list[str]) -> list[dict[str, Any]]:
    placed: list[dict[str, Any]] = []
    for at, image in enumerate(_images(told)):
        place = image.get("placement")
        asked = place.get("after_section") if isinstance(place, dict) else None
        section = asked if asked in sections or not sections else sections[0]
        placed.append({**image, "index": image.get("index", at), "after_section": section})
    return placed


def _images(told: str) -> list[dict[str, Any]]:
    start, end = told.find("{"), told.rfind("}")
    try:
        images = json.loads(told[start : end + 1]).get("images") if start >= 0 else None
    except (ValueError, RecursionError):
        return []
    if not isinstance(images, list):
        return []
    return [image for image in images[:20] if isinstance(image, dict)]
