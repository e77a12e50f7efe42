"""The image manifest: one featured picture and a few for sections that the article really has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.simulator.answers.sources import slug
from shared.simulator.answers.subject import subject

if TYPE_CHECKING:
    from shared.simulator.brief import Brief
    from shared.simulator.chance import Chance

_SECTION = re.compile(r"^##[ \t]+([^\n]{1,300})$", re.MULTILINE)
_MOST_ALT = 124
_STEPS = ((1_500, 3), (2_000, 4), (2_500, 5), (3_000, 6))
_PLACES = (
    "a bright kitchen with a wooden table",
    "a quiet park path in early morning mist",
    "a small workshop with tools on the wall",
    "a living room with a large window and plants",
    "a desk seen from above with paper and pencils",
    "a garden in late afternoon with long shadows",
    "a hallway with a bench and coats on hooks",
)
_LIGHTS = (
    "soft daylight from the left",
    "warm low evening sun",
    "even light under a pale sky",
    "gentle morning light with long shadows",
)
_VIEWS = (
    "a slightly raised three-quarter view",
    "a close view at eye level with a shallow depth of field",
    "a tidy arrangement seen straight from above",
    "a wide view with the subject in the lower third",
)
_PALETTES = (
    ["#2F4858", "#33658A", "#86BBD8", "#F6AE2D"],
    ["#264653", "#2A9D8F", "#E9C46A", "#E76F51"],
    ["#3D405B", "#81B29A", "#F2CC8F", "#E07A5F"],
)


def compose(brief: Brief, chance: Chance) -> dict[str, Any]:
    """The manifest for the article in the prompt, in the shape real answers have."""
    found = sections(brief.block("ARTICLE", "DRAFT"))
    palette = _told_colours(brief) or chance.pick(_PALETTES)
    style = brief.fields.get("image style", "").strip() or "editorial illustration"
    wanted = _content_images(brief.words)
    chosen = _spread(found, wanted)
    images = [_featured(brief, chance, style)]
    images += [_content(brief, chance, style, at, name) for at, name in enumerate(chosen, 1)]
    return {
        "version": "1.0",
        "post_slug": slug(brief.topic),
        "generated_date": brief.fields.get("today", ""),
        "model": "gemini-3.1-flash-image",
        "style_brief": _style(style, palette),
        "images": images,
    }


def sections(article: str) -> list[str]:
    """The H2 headings of an article, exactly as they stand in it, code blocks left out."""
    found: list[str] = []
    fenced = False
    lines = article.strip().split("\n")
    wrapped = lines[0].startswith("```")
    for line in lines[1:] if wrapped else lines:
        fenced ^= line.lstrip().startswith("```")
        if not fenced and (match := _SECTION.match(line.rstrip())):
            found.append(match[1].strip())
    return found


def _content_images(words: int) -> int:
    return next((images for limit, images in _STEPS if words < limit), 7)


def _spread(found: list[str], wanted: int) -> list[str | None]:
    """So many sections, spread evenly; sections come again only when there are too few."""
    if not found:
        return [None] * wanted
    return [found[at * len(found) // wanted] for at in range(wanted)]


def _told_colours(brief: Brief) -> list[str]:
    told = brief.fields.get("image brand colors", "") or brief.fields.get("brand colors", "")
    return re.findall(r"#[0-9A-Fa-f]{6}", told)[:6]


def _style(style: str, palette: list[str]) -> dict[str, Any]:
    return {
        "overall_style": f"{style} with simple shapes and soft transitions",
        "color_palette": palette,
        "mood": "Calm, friendly and clear; nothing hurried.",
        "treatment": "Light paper texture, gentle shadows, full-bleed composition.",
        "negative_prompt": "no text, no letters, no logos, no watermarks, no borders",
        "audience_context": "Readers who want practical help and little decoration.",
    }


def _featured(brief: Brief, chance: Chance, style: str) -> dict[str, Any]:
    scene = f"the whole idea of {brief.topic} in one inviting scene"
    return {
        "id": "featured",
        "type": "featured",
        "filename": f"featured-{slug(brief.topic)}.png",
        "aspect_ratio": "16:9",
        "image_size": "2K",
        "prompt": _prompt(brief, chance, style, scene),
        "negative_prompt": "no readable text, no brand logos, no stock photo poses",
        "alt_text": _alt(f"Opening illustration for an article about {subject(brief.topic).doing}"),
        "placement": {"location": "featured_image", "after_section": None},
        "context": "Sets the tone of the article and works as a thumbnail.",
    }


def _content(
    brief: Brief, chance: Chance, style: str, number: int, section: str | None
) -> dict[str, Any]:
    scene = f'the section "{section or subject(brief.topic).title}" as one clear action'
    return {
        "id": f"content-{number}",
        "type": "content",
        "filename": f"{slug(section or brief.topic)}-{number}.png",
        "aspect_ratio": "4:3",
        "image_size": "1K",
        "prompt": _prompt(brief, chance, style, scene),
        "negative_prompt": "no readable text, no charts with numbers, no crowds",
        "alt_text": _alt(f"Illustration for the section {section or number}"),
        "placement": {"location": "after_heading", "after_section": section},
        "context": "Makes the section's advice visible at a glance.",
    }


def _prompt(brief: Brief, chance: Chance, style: str, scene: str) -> str:
    place, light, view = chance.pick(_PLACES), chance.pick(_LIGHTS), chance.pick(_VIEWS)
    return (
        f"{style[:1].upper()}{style[1:]} for an article on {brief.topic}, showing {scene}. The"
        f" setting is {place}, with {light}. One or two people of different ages are at work,"
        " relaxed and attentive, their hands and the things they use clearly visible. The picture"
        f" is composed as {view}, with plenty of calm space around the centre of interest and a"
        " foreground, a middle ground and a background that can be told apart at small sizes."
        " Colours stay within a small harmonious palette, edges are soft, textures are subtle, and"
        " the scene fills the frame from edge to edge without borders, captions, letters or logos."
    )


def _alt(text: str) -> str:
    return text if len(text) <= _MOST_ALT else text[:_MOST_ALT].rsplit(" ", 1)[0]
