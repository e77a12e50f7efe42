"""What a profile says: fields of the posts made from it. What it leaves out stays unsaid."""

# ruff: noqa: TC002, TC003  (pydantic reads the annotations)

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self
from uuid import UUID

from pydantic import BeforeValidator, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from services.gateway.web.answers import Answer
from services.gateway.web.schemas import Asked, Dollars, Sequence, Terms
from services.gateway.web.text import Line, OutputFormat, Text, Topic, Url, whole
from shared.domain.values import GateMode, Stage

if TYPE_CHECKING:
    from shared.domain.documents import Version
    from shared.domain.profiles import Profile

type Name = Annotated[Topic, Field(max_length=200)]
type WordCount = Annotated[int, Field(strict=True, ge=100, le=10_000), BeforeValidator(whole)]


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
    budget_usd: Dollars | None = None

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
    budget_usd: float | None
    created_at: datetime
    updated_at: datetime


class ProfilePage(Answer):
    items: list[ProfileRead]
    total: int
    page: int
    per_page: int
    pages: int


def shown(version: Version, profile: Profile) -> ProfileRead:
    gates = {stage: profile.default_stage_settings.get(stage, GateMode.AUTO) for stage in Stage}
    told = profile.model_dump() | {
        "id": UUID(version.ref.id),
        "version": version.seq,
        "updated_at": version.document.at,
        "default_stage_settings": gates,
    }
    return ProfileRead.model_validate(told)
