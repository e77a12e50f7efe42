"""The words facts are made of: stages, gates, configuration, usage. Immutable, and loose on
purpose: what was once recorded must always read, so bounds are checked where data enters."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class Stage(StrEnum):
    """The six stages, in running order."""

    RESEARCH = "research"
    OUTLINE = "outline"
    WRITE = "write"
    EDIT = "edit"
    IMAGES = "images"
    READY = "ready"


ORDER: tuple[Stage, ...] = tuple(Stage)


class GateMode(StrEnum):
    """What happens after a stage: go on, or wait for a person."""

    AUTO = "auto"
    REVIEW = "review"
    APPROVE_ONLY = "approve_only"


type Level = Literal["debug", "info", "warning", "error"]
type Provider = Literal["claude", "gemini", "perplexity"]
type NoticeEvent = Literal["review", "failed", "complete"]


class Value(BaseModel):
    """An immutable value inside a fact."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PostConfig(Value):
    """What the user asked for. Empty text and empty lists mean "not said".

    `budget_usd` is the most the post may ever cost; None: the cap of all posts, if there is one.
    """

    topic: str
    slug: str
    profile_id: UUID | None = None
    target_audience: str = ""
    niche: str = ""
    intent: str = ""
    article_type: str = ""
    additional_info: str = ""
    word_count: int = 2000
    tone: str = "Conversational and friendly"
    output_format: str = "markdown"
    website_url: str = ""
    related_keywords: tuple[str, ...] = ()
    competitor_urls: tuple[str, ...] = ()
    image_style: str = ""
    image_brand_colors: tuple[str, ...] = ()
    image_exclude: tuple[str, ...] = ()
    brand_voice: str = ""
    avoid: str = ""
    required_mentions: str = ""
    budget_usd: float | None = None


class ModelSettings(Value):
    """The model a stage calls. `effort` and `max_tokens` go to models that know them.

    `image_model` is the picture model of the images stage (Gemini); other stages ignore it.
    """

    provider: Provider
    model: str
    effort: Literal["low", "medium", "high"] | None = None
    max_tokens: int = 16_000
    image_model: str = ""


class Usage(Value):
    """What one call consumed, in the provider's own figures.

    `tokens_in` is all input, including `cache_read` and `cache_write` (five minutes) and
    `cache_write_1h`; `tokens_out` is all output, including `tokens_thinking` and `tokens_image`.
    `cost_usd` is the provider's own bill where the answer states one (Perplexity), else None and
    the price table decides.
    """

    model: str
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_thinking: int = 0
    tokens_image: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    searches: int = 0
    cost_usd: float | None = None


class Source(Value):
    """A page the research cites; `number` is its [n] in the text, counted from 1."""

    number: int
    url: str
    title: str = ""
    date: str | None = None
    snippet: str = ""


class Redo(Value):
    """One picture of the manifest, counted from 1, is made anew; an empty text stays as it was."""

    image: int
    prompt: str = ""
    alt: str = ""


class Blob(Value):
    """Bytes in the media store: object `name`, their SHA-256, size and media type."""

    name: str
    digest: str
    size: int
    media_type: str


class Metrics(Value):
    """What a stage run took: totals over its paid calls; `duration_s` is wall time.

    `by_model` maps each model to its cost in US dollars.
    """

    model: str
    tokens_in: int
    tokens_out: int
    duration_s: float
    cost_usd: float
    by_model: dict[str, float] = {}


class CommandRef(Value):
    """Which command a fact answers: its id, the digest of its content, and who gave it.

    `facts` is how many facts the command led to; they follow one another in the flow.
    """

    id: UUID
    digest: str
    actor: str
    facts: int = 1


class Deadline(Value):
    """When an open review is decided without a person, and how."""

    at: datetime
    outcome: Literal["approve", "cancel"]


class GateTerms(Value):
    """How many seconds a review waits for a person (None: for ever), and what is decided then."""

    deadline_s: int | None = None
    outcome: Literal["approve", "cancel"] = "cancel"
