"""The plan of an article's pictures: what we ask for, and what we make of any answer to it.

What can be put right is put right and named in a warning; what cannot is a `Fault`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from shared.content.illustrations import MOST_ALT
from shared.content.structured import NotJson, json_object
from shared.content.text import clip, one_line, tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

RATIOS = frozenset(("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"))
SIZES = frozenset(("1K", "2K"))
_STEPS = ((1_500, 3), (2_000, 4), (2_500, 5), (3_000, 6))
_MOST_CONTENT = 7
_FEWEST_PROMPT_WORDS = 5
_LONGEST = 4_000


class Fault(ValueError):
    """The answer is no usable manifest; the message can be shown to the model."""


class _Loose(BaseModel):
    """Takes what is there, within bounds, and ignores the rest."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _bounded(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401  (any JSON)
        """Null counts as absent, and no text is longer than a picture model reads."""
        if value is None:
            return cls.model_fields[str(info.field_name)].get_default()
        return tidy(value)[:_LONGEST] if isinstance(value, str) else value


class Placement(_Loose):
    """Where a picture stands: after the first paragraph of the section so headed."""

    location: str = ""
    after_section: str = ""

    @model_validator(mode="before")
    @classmethod
    def _may_be_a_word(cls, value: Any) -> Any:  # noqa: ANN401
        return {"location": value} if isinstance(value, str) else value


class Planned(_Loose):
    """One picture as the model plans it."""

    type: Literal["featured", "content"] = "content"
    prompt: str = ""
    negative_prompt: str = ""
    alt_text: str = ""
    aspect_ratio: str = ""
    image_size: str = ""
    placement: Placement = Placement()

    @field_validator("type", mode="before")
    @classmethod
    def _featured_or_not(cls, value: Any) -> str:  # noqa: ANN401
        return "featured" if str(value).lower().startswith(("feature", "hero")) else "content"


class StyleBrief(_Loose):
    """What all pictures of the article have in common."""

    overall_style: str = ""
    color_palette: tuple[str, ...] = ()
    mood: str = ""
    treatment: str = ""
    negative_prompt: str = ""
    audience_context: str = ""


class Manifest(_Loose):
    """The whole plan, as asked for."""

    style_brief: StyleBrief = StyleBrief()
    images: tuple[Planned, ...] = Field(default=(), max_length=50)


@dataclass(frozen=True, slots=True)
class Plan:
    """The pictures to make, featured first, and what was put right on the way."""

    style: StyleBrief
    images: tuple[Planned, ...]
    warnings: tuple[str, ...]


def content_images(word_count: int) -> int:
    """How many pictures an article of this length has beside the featured one."""
    return next((images for limit, images in _STEPS if word_count < limit), _MOST_CONTENT)


def parse(answer: str) -> Manifest:
    """The manifest in the answer, whatever stands around it. Raises `Fault`."""
    try:
        return Manifest.model_validate(json_object(answer))
    except NotJson as error:
        raise Fault(str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Fault(f"{place}: {first['msg']}") from error


def shortcoming(manifest: Manifest, wanted: int) -> str:
    """What is worth one more question, empty if the plan is complete."""
    usable = _usable(manifest.images)
    types = Counter(image.type for image in usable)
    if len(usable) < len(manifest.images):
        return f"{len(manifest.images) - len(usable)} images have no prompt worth the name"
    if types["featured"] != 1:
        return f"there must be exactly one featured image, not {types['featured']}"
    if types["content"] < wanted:
        return f"there must be {wanted} content images, not {types['content']}"
    return ""


def plan(manifest: Manifest, wanted: int, title: str) -> Plan:
    """The pictures to make, within bounds. Raises `Fault` if there is none at all."""
    usable = _usable(manifest.images)
    if not usable:
        raise Fault("the manifest plans no image that has a prompt")
    first = next((image for image in usable if image.type == "featured"), usable[0])
    others = [image for image in usable if image is not first]
    chosen = [(first, "featured"), *((image, "content") for image in others[:wanted])]
    warnings = _count_warnings(manifest, len(others), wanted)
    images = tuple(_bounded(image, type_, title, warnings) for image, type_ in chosen)
    return Plan(manifest.style_brief, images, tuple(dict.fromkeys(warnings)))


def _usable(images: Sequence[Planned]) -> list[Planned]:
    return [image for image in images if len(image.prompt.split()) >= _FEWEST_PROMPT_WORDS]


def _count_warnings(manifest: Manifest, others: int, wanted: int) -> list[str]:
    warnings = []
    if others != wanted:
        kept = min(others, wanted)
        warnings.append(f"{others} content images were planned where {wanted} belong: made {kept}")
    if not any(image.type == "featured" for image in manifest.images):
        warnings.append("No image was planned as featured: the first one is")
    return warnings


def _bounded(image: Planned, type_: str, title: str, warnings: list[str]) -> Planned:
    """The picture with alt text, ratio and size as we allow them."""
    featured = type_ == "featured"
    alt = clip(image.alt_text, MOST_ALT)
    if not alt:
        warnings.append("An image had no alt text: it got its section or the title")
        alt = clip(image.placement.after_section or title, MOST_ALT)
    ratio, size = image.aspect_ratio, image.image_size.upper()
    if (ratio and ratio not in RATIOS) or (size and size not in SIZES):
        warnings.append(f"Ratio {one_line(ratio, 20)!r} or size {one_line(size, 20)!r} is not made")
    bounds = {
        "type": type_,
        "alt_text": alt,
        "aspect_ratio": "16:9" if featured else ratio if ratio in RATIOS else "4:3",
        "image_size": "2K" if featured else size if size in SIZES else "1K",
    }
    return image.model_copy(update=bounds)
