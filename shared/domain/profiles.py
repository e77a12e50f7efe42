"""A profile as it is stored: fields of the posts made from it. What it leaves out stays unsaid."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.domain.values import GateMode, PostConfig, Stage

_DEFAULTS = PostConfig(topic="", slug="")


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
    budget_usd: float | None = None

    def prefills(self) -> dict[str, Any]:
        """What it says of a post's configuration; its budget is that of all its posts together."""
        said = (self.model_fields_set & PostConfig.model_fields.keys()) - {"budget_usd"}
        return {name: getattr(self, name) for name in said}
