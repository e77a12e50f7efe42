"""How a post leaves the dead letter: tried again, perhaps after a change, or given up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.events import AnyFlow, Recorded, StageDiscarded
from shared.domain.evolve import evolve
from shared.domain.rules.changing import change
from shared.domain.rules.starting import go_on
from shared.domain.rules.steps import resumed
from shared.domain.status import parked
from shared.domain.values import ORDER
from shared.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shared.domain.commands import ChangePost, DiscardFailed, RetryFailed
    from shared.domain.post import Post
    from shared.domain.values import Stage


def retry(post: Post, command: RetryFailed, now: datetime) -> list[AnyFlow]:
    """A second retry finds the first one at work and adds nothing; a change then is refused."""
    if command.change is None and not parked(post) and (post.active or post.held):
        return []
    failed = _failed(post)[0]
    facts = [*_changed(post, command.change, failed, now), *resumed(post, now)]
    return facts + go_on(_following(post, facts), now, command.rules)


def _changed(post: Post, asked: ChangePost | None, failed: Stage, now: datetime) -> list[AnyFlow]:
    if asked is None:
        return []
    if late := [stage for stage in asked.texts if ORDER.index(stage) >= ORDER.index(failed)]:
        raise Rejected(f"{late[0]} does not come before {failed}, which failed")
    return change(post, asked, now)


def _following(post: Post, facts: Iterable[AnyFlow]) -> Post:
    for fact in facts:
        post = evolve(post, Recorded(post.last + 1, fact))
    return post


def discard(post: Post, command: DiscardFailed, now: datetime) -> list[AnyFlow]:
    """One fact for each failed stage: hardly ever more than one."""
    return [
        StageDiscarded(
            post_id=command.post_id,
            at=now,
            stage=stage,
            run=post.stages[stage].run or 0,
            actor=command.actor,
            note=command.note,
        )
        for stage in _failed(post)
    ]


def _failed(post: Post) -> tuple[Stage, ...]:
    failed = parked(post)
    if not failed:
        raise Rejected("this post is not in the dead letter")
    return failed
