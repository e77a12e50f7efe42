"""An article in figures, measured when asked: readability, keywords and what search engines see."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter

from services.gateway.context import Wired
from services.gateway.posts import reading
from services.gateway.web.answers import Answer
from services.gateway.web.documented import READ
from services.gateway.web.problems import Missing
from services.gateway.web.schemas import Sequence
from shared.content.insight import Insight, insight
from shared.domain.values import PostConfig, Stage

if TYPE_CHECKING:
    from services.gateway.posts.present import View

router = APIRouter(prefix="/api/posts", tags=["insight"])

_BEST_FIRST = (Stage.READY, Stage.EDIT, Stage.WRITE)
_UNSAID = PostConfig(topic="", slug="")


class SeoChecklist(Answer):
    """Seven checks and two counts; null where no keyword was named to look for."""

    keyword_in_title: bool | None
    keyword_in_first_100_words: bool | None
    keyword_in_h2: bool | None
    has_h2_headings: bool
    has_internal_links: bool
    has_external_links: bool
    has_meta_description: bool
    internal_link_count: int
    external_link_count: int


class AnalyticsRead(Answer):
    """The newest text of the article, made by `stage`, in figures.

    `keyword_density` is in per cent of all words; `flesch_reading_ease` is null for text that is
    not in Latin letters.
    """

    post_id: UUID
    seq: int
    stage: Stage
    title: str
    word_count: int
    sentence_count: int
    paragraph_count: int
    avg_sentence_length: float
    flesch_reading_ease: float | None
    keyword_density: dict[str, float]
    seo_checklist: SeoChecklist


@router.get("/{post_id}/analytics", responses=READ)
async def read_analytics(gateway: Wired, post_id: UUID, min_seq: Sequence = 0) -> AnalyticsRead:
    """The article in figures; 404 until a draft is written."""
    view = await reading.one(gateway, post_id, min_seq)
    stage, text = _newest(view)
    found = await asyncio.to_thread(insight, text, view.post.config or _UNSAID)
    return _read(post_id, view, stage, found)


def _newest(view: View) -> tuple[Stage, str]:
    for stage in _BEST_FIRST:
        if text := view.texts.get(stage):
            return stage, text
    raise Missing("this post has no draft to measure yet")


def _read(post_id: UUID, view: View, stage: Stage, found: Insight) -> AnalyticsRead:
    measured = found.measured
    return AnalyticsRead(
        post_id=post_id,
        seq=view.post.last,
        stage=stage,
        title=found.title,
        word_count=measured.word_count,
        sentence_count=measured.sentences,
        paragraph_count=measured.paragraphs,
        avg_sentence_length=measured.average_sentence,
        flesch_reading_ease=found.flesch,
        keyword_density=found.densities,
        seo_checklist=SeoChecklist(**asdict(found.seo)),
    )
