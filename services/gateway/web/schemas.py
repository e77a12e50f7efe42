"""What a request may say: every field bounded, every enumeration closed, unknown fields refused."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)

from services.gateway.web.text import (
    ArticleType,
    Content,
    Intent,
    Line,
    OutputFormat,
    Slug,
    Term,
    Text,
    Topic,
    Url,
    whole,
)
from shared.domain.values import GateMode, PostConfig, Stage

MAX_SEQUENCE = 2**53 - 1
"""The greatest integer that every JSON reader understands exactly."""
_YEAR = re.compile(r"\d{4}-")
_MONTHS_3 = 90 * 24 * 3600

type Sequence = Annotated[int, Field(ge=0, le=MAX_SEQUENCE)]
type Cursor = Annotated[int, Field(ge=1, le=MAX_SEQUENCE)]
type Named = Annotated[int, Field(strict=True, ge=1, le=MAX_SEQUENCE), BeforeValidator(whole)]
type WordCount = Annotated[int, Field(strict=True, ge=100, le=10_000), BeforeValidator(whole)]
type Seconds = Annotated[int, Field(strict=True, ge=1, le=_MONTHS_3), BeforeValidator(whole)]
type Dollars = Annotated[float, Field(strict=True, gt=0, le=100_000, allow_inf_nan=False)]
type Outcome = Literal["approve", "cancel"]
type Terms = Annotated[list[Term], Field(max_length=50)]
type Urls = Annotated[list[Url], Field(max_length=50)]


def _utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None


def _date(said: object) -> object:
    """A bare number is no instant, though it could be read as one."""
    if isinstance(said, str) and not _YEAR.match(said.strip()):
        raise ValueError("has to begin with a date")
    return said


type Instant = Annotated[AwareDatetime, AfterValidator(_utc), BeforeValidator(_date)]


class Asked(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PostCreate(Asked):
    """A topic, and what the article should be like. Text that is left out or null is "not said"."""

    topic: Topic
    slug: Slug | None = None
    profile_id: UUID | None = None
    target_audience: Text | None = None
    niche: Line | None = None
    intent: Intent | None = None
    article_type: ArticleType | None = None
    additional_info: Text | None = None
    word_count: WordCount = 2000
    tone: Line = "Conversational and friendly"
    output_format: OutputFormat = "markdown"
    website_url: Url | None = None
    related_keywords: Terms = []
    competitor_urls: Urls = []
    image_style: Text | None = None
    image_brand_colors: Terms = []
    image_exclude: Terms = []
    brand_voice: Text | None = None
    avoid: Text | None = None
    required_mentions: Text | None = None
    budget_usd: Dollars | None = None
    stage_settings: dict[Stage, GateMode] = {}
    gate_deadline_s: Seconds | None = None
    gate_outcome: Outcome = "cancel"

    def config(self, slug: str) -> PostConfig:
        """The order as the log keeps it."""
        said = {
            name: value
            for name in PostConfig.model_fields
            if (value := getattr(self, name, None)) is not None
        }
        return PostConfig.model_validate({**said, "slug": slug})


class Decision(Asked):
    """About which review; unnamed, it is the one open when we first look."""

    review: Named | None = None


class Approval(Decision):
    """`content` replaces the stage's output."""

    content: Content | None = None
    note: Text = ""


class Rejection(Decision):
    """`note` tells the stage what to change when it runs again."""

    note: Annotated[Text, Field(min_length=1)]


class Cancellation(Asked):
    reason: Line = ""


type PostField = Literal[
    "id", "seq", "version", "slug", "topic", "profile_id", "target_audience", "niche", "intent",
    "article_type", "additional_info", "word_count", "tone", "output_format", "website_url",
    "related_keywords", "competitor_urls", "image_style", "image_brand_colors", "image_exclude",
    "brand_voice", "avoid", "required_mentions", "budget_usd", "current_stage", "waits_for",
    "paused",
    "stage_status", "stage_settings", "gate_deadline_s", "gate_outcome", "stage_models",
    "stage_logs", "stale", "warnings", "review", "failures",
    "created_at", "updated_at", "completed_at", "research_content", "outline_content",
    "draft_content", "final_md_content", "image_manifest", "ready_content",
]  # fmt: skip
"""What a list can show of a post: all but its journals, which are read one post at a time."""

type PostStatus = Literal[
    "pending", "running", "review", "waiting", "paused", "complete", "failed", "cancelled"
]
type PostSort = Literal[
    "created_at", "updated_at", "completed_at", "topic", "slug", "current_stage"
]


def _named(said: object) -> object:
    """`a,b` as two names, each once."""
    if isinstance(said, list) and all(isinstance(each, str) for each in said):
        said = ",".join(said)
    if not isinstance(said, str):
        return said
    return tuple(dict.fromkeys(name.strip() for name in said.split(",")))


type Fields = Annotated[
    tuple[PostField, ...],
    BeforeValidator(_named),
    Field(
        description="Names of a post's fields, with commas between; left out: all but its texts."
    ),
]


class PostFilter(Asked):
    """Which posts to list, in what order, and what to say of each."""

    status: PostStatus | None = None
    stage: Stage | None = None
    profile_id: UUID | None = None
    q: Annotated[Line, Field(max_length=200)] = ""
    created_since: Instant | None = None
    created_until: Instant | None = None
    fields: Fields = ()
    sort: PostSort = "created_at"
    order: Literal["asc", "desc"] = "desc"
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Field(ge=1, le=200)] = 50
    min_seq: Sequence = 0


class EntryFilter(Asked):
    """Which lines of the execution log to show: those behind `cursor`, at most `limit`."""

    level: list[Literal["info", "warning", "error"]] = []
    stage: Stage | None = None
    since: Instant | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Field(ge=1, le=5_000)] = 1_000
    min_seq: Sequence = 0
