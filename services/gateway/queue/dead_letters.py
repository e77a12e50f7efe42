"""The dead letter: what failed for good waits here for a person, who tries again or gives it up.

It is a question to the read model, so nothing can be lost from it; what a person decides is a fact
of the post, with their name.
"""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.gateway.context import Wired
from services.gateway.control.deciding import Key, decided, spelled, tell
from services.gateway.posts.patch import PostPatch
from services.gateway.posts.pinning import pinned_models, require_callable
from services.gateway.posts.reading import projected
from services.gateway.queue.bulk import Bulk, BulkRead, every, tell_all
from services.gateway.queue.queue import Page
from services.gateway.web.answers import Answer
from services.gateway.web.documented import LISTED, WRITTEN
from services.gateway.web.preconditions import IfMatch
from services.gateway.web.schemas import Asked
from services.gateway.web.text import Text
from shared.domain.commands import AnyCommand, DiscardFailed, RetryFailed
from shared.domain.status import parked
from shared.domain.values import CommandRef, Stage

if TYPE_CHECKING:
    from services.gateway.web.preconditions import Expected
    from shared.domain.post import Post
    from shared.eventlog import History

router = APIRouter(prefix="/api/queue/dead-letter", tags=["queue"])


class DeadLetter(Answer):
    """A post that failed for good. `code` is the kind of error, `run` the run that met it."""

    post_id: UUID
    version: int
    slug: str
    topic: str
    profile_id: UUID | None
    stage: Stage
    code: str
    error: str
    attempts: int
    failed_at: datetime
    run: int | None


class DeadLetters(Answer):
    entries: list[DeadLetter]
    count: int
    page: int
    per_page: int
    pages: int


class Retry(Asked):
    """Nothing has to be said."""


class Discard(Asked):
    """`note` says why; the log keeps it."""

    note: Text = ""


class RetryRead(Answer):
    """The post is at work again, at `stage`."""

    status: Literal["retrying"] = "retrying"
    post_id: UUID
    stage: Stage | None


class DiscardRead(Answer):
    status: Literal["discarded"] = "discarded"
    post_id: UUID


@router.get("", responses=LISTED)
async def list_dead_letters(gateway: Wired, asked: Annotated[Page, Query()]) -> DeadLetters:
    """Posts that failed and were not given up, the newest first."""
    await projected(gateway, asked.min_seq)
    found = await gateway.queue.parked(asked.page, asked.per_page)
    return DeadLetters(
        entries=[entry for post_id, post in found.posts for entry in _entries(post_id, post)],
        count=found.total,
        page=asked.page,
        per_page=asked.per_page,
        pages=-(-found.total // asked.per_page),
    )


def _entries(post_id: UUID, post: Post) -> list[DeadLetter]:
    """One for each post: of several failed stages the first, where a retry would go on."""
    failed = [(stage, why) for stage in parked(post) if (why := post.stages[stage].failure)]
    return [
        DeadLetter(
            post_id=post_id,
            version=post.n,
            slug=post.config.slug if post.config else "",
            topic=post.config.topic if post.config else "",
            profile_id=post.config.profile_id if post.config else None,
            stage=stage,
            code=why.code,
            error=why.message,
            attempts=why.attempts,
            failed_at=why.at,
            run=post.stages[stage].run,
        )
        for stage, why in failed[:1]
    ]


@router.post("/{post_id}/retry", status_code=202, responses=WRITTEN)
async def retry(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    asked: Retry | None = None,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> RetryRead:
    """Go on where it failed, with the whole run; what was paid for is not paid again."""
    said = asked or Retry()

    def command(by: CommandRef) -> AnyCommand:
        return RetryFailed(post_id=post_id, by=by)

    stored = await decided(
        gateway,
        post_id,
        idempotency_key,
        spelled("retry", said),
        command,
        expected=if_match,
    )
    return _retrying(response, post_id, stored)


@router.post("/{post_id}/edit-and-retry", status_code=202, responses=WRITTEN)
async def edit_and_retry(
    gateway: Wired,
    post_id: UUID,
    asked: PostPatch,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> RetryRead:
    """Change fields, models or texts of earlier stages and go on where it failed: all of it or
    nothing."""
    require_callable(gateway, asked)
    models = await pinned_models(gateway, asked)

    def command(by: CommandRef) -> AnyCommand:
        return RetryFailed(post_id=post_id, by=by, change=asked.command(post_id, by, models))

    stored = await decided(
        gateway,
        post_id,
        idempotency_key,
        spelled("edit-and-retry", asked),
        command,
        expected=if_match,
    )
    return _retrying(response, post_id, stored)


def _retrying(response: Response, post_id: UUID, stored: History) -> RetryRead:
    tell(response, stored)
    active = stored.post.active
    return RetryRead(post_id=post_id, stage=active.stage if active else None)


@router.post("/{post_id}/discard", responses=WRITTEN)
async def discard(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    asked: Discard | None = None,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> DiscardRead:
    """Give it up: the post stands cancelled, and can still be run by its own routes."""
    said = asked or Discard()
    stored = await _discarded(gateway, post_id, said, idempotency_key, if_match)
    tell(response, stored)
    return DiscardRead(post_id=post_id)


async def _discarded(
    gateway: Wired, post_id: UUID, said: Discard, key: str | None, expected: Expected | None
) -> History:
    def command(by: CommandRef) -> AnyCommand:
        return DiscardFailed(post_id=post_id, by=by, actor=by.actor, note=said.note)

    asked = spelled("discard", said)
    return await decided(gateway, post_id, key, asked, command, expected=expected)


@router.delete("", responses=WRITTEN)
async def discard_all(
    gateway: Wired,
    response: Response,
    asked: Annotated[Discard, Query()],
    idempotency_key: Key = None,
) -> BulkRead:
    """Give up everything that is in the dead letter now."""
    bulk = Bulk(
        choice="parked",
        asked=spelled("discard-all", asked),
        command=lambda post, by: DiscardFailed(
            post_id=post, by=by, actor=by.actor, note=asked.note
        ),
        key=idempotency_key,
    )
    return tell_all(response, "cleared", await every(gateway, bulk))
