"""The queue: how many posts stand where, who waits for a person, and a hand on the whole press."""

# ruff: noqa: TC001  (FastAPI reads the annotations)

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from services.gateway.context import Wired
from services.gateway.control.deciding import Key, spelled
from services.gateway.posts import present
from services.gateway.posts.reading import projected
from services.gateway.queue.bulk import Bulk, BulkRead, every, tell_all
from services.gateway.web.answers import Answer, PostPage
from services.gateway.web.documented import LISTED, WRITTEN
from services.gateway.web.schemas import Asked, Sequence
from shared.domain.commands import PausePipeline, ResumePipeline

router = APIRouter(prefix="/api/queue", tags=["queue"])


class QueueRead(Answer):
    """How many posts stand in each bucket, as of sequence `seq`; each stands in exactly one.

    running: a worker has it or will; review: a person has to decide; waiting: for a time or a
    budget; paused: until it is resumed.
    """

    seq: int
    pending: int
    running: int
    review: int
    waiting: int
    paused: int
    failed: int
    complete: int
    cancelled: int
    total: int


class Page(Asked):
    """Which page of a list to show."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Field(ge=1, le=200)] = 50
    min_seq: Sequence = 0


@router.get("", responses=LISTED)
async def count_posts(gateway: Wired, min_seq: Sequence = 0) -> QueueRead:
    """How many posts stand where; the counts add up to `total`."""
    await projected(gateway, min_seq)
    counted = await gateway.queue.counts()
    return QueueRead(seq=counted.seq, total=sum(counted.posts.values()), **counted.posts)


@router.get("/review", responses=LISTED)
async def list_reviews(gateway: Wired, asked: Annotated[Page, Query()]) -> PostPage:
    """Posts that wait for a person, the longest waiting first, without their texts."""
    await projected(gateway, asked.min_seq)
    found = await gateway.queue.reviews(asked.page, asked.per_page)
    return PostPage(
        items=[present.summary(post) for _, post in found.posts],
        total=found.total,
        page=asked.page,
        per_page=asked.per_page,
        pages=-(-found.total // asked.per_page),
    )


@router.post("/pause-all", responses=WRITTEN)
async def pause_all(gateway: Wired, response: Response, idempotency_key: Key = None) -> BulkRead:
    """Pause every post that would go on by itself; each stops at its next stage boundary."""
    pause = Bulk(
        choice="moving",
        asked=spelled("pause-all"),
        command=lambda post, by: PausePipeline(post_id=post, by=by),
        key=idempotency_key,
    )
    return tell_all(response, "paused", await every(gateway, pause))


@router.post("/resume-all", responses=WRITTEN)
async def resume_all(gateway: Wired, response: Response, idempotency_key: Key = None) -> BulkRead:
    """Resume every paused post; each goes on with its whole run."""
    resume = Bulk(
        choice="paused",
        asked=spelled("resume-all"),
        command=lambda post, by: ResumePipeline(post_id=post, by=by),
        key=idempotency_key,
    )
    return tell_all(response, "resumed", await every(gateway, resume))
