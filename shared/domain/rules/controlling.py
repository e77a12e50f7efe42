"""How a run is held and ended: paused, resumed, woken, cancelled, deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.domain.events import AnyFlow, PipelineCancelled, PipelinePaused, PostDeleted
from shared.domain.post import Held, Next, Post
from shared.domain.rules.steps import advance, request, resumed
from shared.errors import Rejected

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.commands import CancelPipeline, DeletePost, PausePipeline, WakeStage


def pause(post: Post, command: PausePipeline, now: datetime) -> list[AnyFlow]:
    if post.paused:
        return []
    if not (post.active or post.held or post.review or post.next):
        raise Rejected("nothing is under way that could be paused")
    return [PipelinePaused(post_id=command.post_id, at=now)]


def resume(post: Post, now: datetime) -> list[AnyFlow]:
    """What is open goes on by itself; else the whole run goes on where it stood."""
    facts = resumed(post, now)
    if not facts or post.active or post.held or post.review:
        return facts
    return facts + advance(replace(post, paused=False), now)


def cancel(post: Post, command: CancelPipeline, now: datetime) -> list[AnyFlow]:
    if post.cancelled:
        return []
    if not (post.active or post.held or post.review or post.next):
        raise Rejected("nothing is under way that could be cancelled")
    return [PipelineCancelled(post_id=command.post_id, at=now, reason=command.reason)]


def delete(post: Post, command: DeletePost, now: datetime) -> PostDeleted:
    return PostDeleted(
        post_id=command.post_id,
        at=now,
        profile_id=post.config.profile_id if post.config else None,
        spent=command.spent,
        counted=command.counted,
        open=command.open,
    )


def wake(post: Post, command: WakeStage, now: datetime) -> list[AnyFlow]:
    """A paused post keeps sleeping; the duty loop asks again once it is resumed."""
    held = post.held
    if held is None or held.run != command.run or post.paused or not _due(held, now):
        return []
    state = post.stages[held.stage]
    return [request(post, Next(held.stage, state.alone, state.note), now, held.run, state.redo)]


def _due(held: Held, now: datetime) -> bool:
    return held.until is None or held.until <= now
