"""What a profile says: fields of the posts made from it. What it leaves out stays unsaid."""

# ruff: noqa: TC002  (pydantic reads the annotations)

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.json_schema import SkipJsonSchema

from services.gateway.web.answers import Answer
from services.gateway.web.schemas import Asked, Sequence, Terms
from services.gateway.web.text import Line, OutputFormat, Text, Topic, Url, whole
from shared.domain.values import GateMode, PostConfig, Stage
from shared.errors import Malformed

if TYPE_CHECKING:
    from shared.domain.documents import Version

type Name = Annotated[Topic, Field(max_length=200)]
type WordCount = Annotated[int, Field(strict=True, ge=100, le=10_000), BeforeValidator(whole)]

_DEFAULTS = PostConfig(topic="", slug="")


class ProfileChange(Asked):
    """Any of a profile's fields; null takes back what was said (but never the name)."""

    name: Name | SkipJsonSchema[None] = None
    website_url: Url | None = None
    niche: Line | None = None
    target_audience: Text | None = None
    tone: Line | None = None
    brand_voice: Text | None = None
    word_count: WordCount | None = None
    output_format: OutputFormat | None = None
    image_style: Text | None = None
    image_brand_colors: Terms | None = None
    image_exclude: Terms | None = None
    avoid: Text | None = None
    required_mentions: Text | None = None
    related_keywords: Terms | None = None
    default_stage_settings: dict[Stage, GateMode] | None = None

    @model_validator(mode="after")
    def _keeps_its_name(self) -> Self:
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("a profile has a name")
        return self

    def applied_to(self, content: dict[str, Any]) -> dict[str, Any]:
        """The content with what this says, and without what it takes back."""
        said = self.model_dump(mode="json", exclude_unset=True)
        merged = {**content, **said}
        return {name: value for name, value in merged.items() if value is not None}


class ProfileCreate(ProfileChange):
    """A profile; everything but its name may be left out."""

    name: Name


class ProfileFilter(Asked):
    """Which profiles to list, by name."""

    q: Annotated[Line, Field(max_length=200)] = ""
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Field(ge=1, le=200)] = 50


class Profile(BaseModel):
    """A profile as it is stored, read loosely; `model_fields_set` is what it says."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    created_at: datetime
    website_url: str = _DEFAULTS.website_url
    niche: str = _DEFAULTS.niche
    target_audience: str = _DEFAULTS.target_audience
    tone: str = _DEFAULTS.tone
    brand_voice: str = _DEFAULTS.brand_voice
    word_count: int = _DEFAULTS.word_count
    output_format: str = _DEFAULTS.output_format
    image_style: str = _DEFAULTS.image_style
    image_brand_colors: tuple[str, ...] = ()
    image_exclude: tuple[str, ...] = ()
    avoid: str = _DEFAULTS.avoid
    required_mentions: str = _DEFAULTS.required_mentions
    related_keywords: tuple[str, ...] = ()
    default_stage_settings: dict[Stage, GateMode] = {}

    def prefills(self) -> dict[str, Any]:
        """What it says of a post's configuration."""
        said = self.model_fields_set & PostConfig.model_fields.keys()
        return {name: getattr(self, name) for name in said}


class ProfileRead(Answer):
    """A profile, whole; what it does not say shows the default a post would get."""

    id: UUID
    version: Sequence
    name: str
    website_url: str
    niche: str
    target_audience: str
    tone: str
    brand_voice: str
    word_count: int
    output_format: str
    image_style: str
    image_brand_colors: list[str]
    image_exclude: list[str]
    avoid: str
    required_mentions: str
    related_keywords: list[str]
    default_stage_settings: dict[Stage, GateMode]
    created_at: datetime
    updated_at: datetime


class ProfilePage(Answer):
    items: list[ProfileRead]
    total: int
    page: int
    per_page: int
    pages: int


def profile_in(version: Version | None) -> Profile | None:
    """The profile a version holds; None for a deleted one. Raises `Malformed`."""
    content = version.document.content if version else None
    if content is None:
        return None
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        raise Malformed("a profile's document holds no profile") from error


def shown(version: Version, profile: Profile) -> ProfileRead:
    gates = {stage: profile.default_stage_settings.get(stage, GateMode.AUTO) for stage in Stage}
    told = profile.model_dump() | {
        "id": UUID(version.ref.id),
        "version": version.seq,
        "updated_at": version.document.at,
        "default_stage_settings": gates,
    }
    return ProfileRead.model_validate(told)
