"""What the model adds to an approved article: its description, category, tags, and image places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.content.links import host
from shared.content.structured import NotJson, json_object
from shared.content.text import clip, one_line

if TYPE_CHECKING:
    from datetime import date

    from services.ready.pictures import Picture
    from shared.content.frontmatter import Field as Value
    from shared.domain.values import PostConfig

SHORTEST, LONGEST = 120, 170
_CUT = 200
_MOST_TAGS = 8
_AUTHOR = "Editorial team"
# What a person wrote into the article's own front matter stands; the rest is ours to say.
_PERSONS = ("title", "description", "author", "category", "tags")


class Fault(ValueError):
    """The answer is no usable front matter; the message can be shown to the model."""


class _Loose(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:  # noqa: ANN401  (any JSON)
        return "" if value is None else value


class Place(_Loose):
    """Where one picture goes: into the section with this heading."""

    filename: str = ""
    after_section: str = ""


class FrontMatter(_Loose):
    """The model's answer."""

    title: str = ""
    description: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    placements: tuple[Place, ...] = Field(default=(), max_length=100)


def parse(answer: str) -> FrontMatter:
    """The front matter in the answer, whatever stands around it. Raises `Fault`."""
    try:
        return FrontMatter.model_validate(json_object(answer))
    except NotJson as error:
        raise Fault(str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Fault(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def shortcoming(asked: FrontMatter) -> str:
    """What is worth one more question, empty if nothing is."""
    length = len(one_line(asked.description))
    if SHORTEST <= length <= LONGEST:
        return ""
    return f"the description has {length} characters; it must have 150 to 160"


def fields(
    asked: FrontMatter,
    own: dict[str, Value],
    title: str,
    config: PostConfig,
    today: date,
    featured: Picture | None,
) -> dict[str, Value]:
    """The front matter to publish; `own` is what the approved article carried itself.

    The title is the approved one: the model's is used only where the article has none.
    """
    tags = [clip(tag, 60) for tag in (*asked.tags, *config.related_keywords) if tag.strip()]
    written: dict[str, Value] = {
        "title": title or clip(asked.title, 200) or one_line(config.topic, 200),
        "slug": config.slug,
        "description": clip(asked.description, _CUT),
        "date": today.isoformat(),
        "author": host(config.website_url) if config.website_url else _AUTHOR,
        "category": clip(asked.category, 60) or clip(config.niche, 60) or "General",
        "tags": tuple(dict.fromkeys(tags))[:_MOST_TAGS],
        "featuredImage": featured.path if featured else "",
        "featuredImageAlt": featured.alt if featured else "",
        "published": True,
    }
    persons = {key: own[key] for key in _PERSONS if own.get(key)}
    return written | persons
