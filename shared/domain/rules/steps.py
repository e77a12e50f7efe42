"""Steps the rules share: over a boundary, to the next stage, or to the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.events import AnyFlow, PipelineCompleted, PipelineResumed, StageRequested
from shared.domain.values import ORDER
from shared.errors import NoSuchPost

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.domain.post import Next, Post
    from shared.domain.values import Redo

NEARLY_FULL = 900
"""From this many flow facts on, a post can only be ended, deleted or forked."""


def advance(post: Post, now: datetime) -> list[AnyFlow]:
    """Over the boundary, unless the post is paused or nothing was to follow."""
    if post.paused or post.next is None:
        return []
    return [request_next(post, post.next, now)]


def request_next(post: Post, follows: Next, now: datetime) -> StageRequested | PipelineCompleted:
    if follows.stage is None:
        return PipelineCompleted(post_id=id_of(post), at=now)
    return request(post, follows, now)


def request(
    post: Post,
    follows: Next,
    now: datetime,
    resumes: int | None = None,
    redo: Redo | None = None,
) -> StageRequested:
    stage = follows.stage or ORDER[0]
    return StageRequested(
        post_id=id_of(post),
        at=now,
        stage=stage,
        models=post.models.get(stage),
        rules=post.rules.get(stage),
        note=follows.note,
        resumes=resumes,
        alone=follows.alone,
        redo=redo,
    )


def resumed(post: Post, now: datetime) -> list[AnyFlow]:
    return [PipelineResumed(post_id=id_of(post), at=now)] if post.paused else []


def id_of(post: Post) -> UUID:
    if post.id is None:
        raise NoSuchPost
    return post.id
