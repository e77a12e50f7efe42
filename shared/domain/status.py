"""A post's state in the words of the HTTP contract, derived, never stored on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    from shared.domain.post import Post

CONTENT_FIELDS = {
    Stage.RESEARCH: "research_content",
    Stage.OUTLINE: "outline_content",
    Stage.WRITE: "draft_content",
    Stage.EDIT: "final_md_content",
    Stage.IMAGES: "image_manifest",
    Stage.READY: "ready_content",
}
"""Which field of a post holds a stage's output."""


def current_stage(post: Post) -> str:
    """One word for where the post stands: a stage at work, held or in review, else pending,
    complete, failed, paused, cancelled or deleted."""
    if post.deleted:
        return "deleted"
    if post.active is not None:
        return post.active.stage
    if post.paused:
        return "paused"
    if busy := post.held or post.review:
        return busy.stage
    return _at_rest(post)


def _at_rest(post: Post) -> str:
    if any(post.stages[stage].status == "failed" for stage in ORDER):
        return "failed"
    if post.completed_at is not None:
        return "complete"
    return "cancelled" if post.cancelled else "pending"


def parked(post: Post) -> tuple[Stage, ...]:
    """The failed stages of a post in the dead letter; none while anything of it is open."""
    if post.active or post.held or post.review or post.deleted:
        return ()
    return tuple(stage for stage in ORDER if post.stages[stage].status == "failed")


def waits_for(post: Post) -> str:
    """What moves the post next: "worker", "person", "time", "budget", or "" when nothing is
    open."""
    if post.active is not None:
        return "worker"
    if post.held is not None:
        return "time" if post.held.scope is None else "budget"
    return "person" if post.review is not None else ""
