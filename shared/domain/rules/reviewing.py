"""What people decide about an output: approve, reject, edit, or nothing until a deadline passes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.domain.events import (
    AnyFlow,
    ContentEdited,
    GateExpired,
    PipelineCancelled,
    StageApproved,
    StageRejected,
)
from shared.domain.post import Next, Post, Review
from shared.domain.rules.steps import advance
from shared.domain.text import digest, words
from shared.domain.values import GateMode
from shared.errors import GateForbidsEdit, NothingToReview, Rejected, StageRunning, StaleDecision

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.commands import ApproveStage, EditContent, ExpireGate, RejectStage


def approve(post: Post, command: ApproveStage, now: datetime) -> list[AnyFlow]:
    review = _answers(post, command.review)
    if command.edited is not None and review.mode is GateMode.APPROVE_ONLY:
        raise GateForbidsEdit(review.stage)
    return accept(post, command, now)


def _answers(post: Post, named: int | None) -> Review:
    """The open review, which must be the one the decision names."""
    if post.review is None:
        raise NothingToReview
    if named is not None and named != post.review.seq:
        raise StaleDecision(named, post.review.seq)
    return post.review


def accept(post: Post, command: ApproveStage, now: datetime) -> list[AnyFlow]:
    review, edited = _answers(post, command.review), command.edited
    approved = StageApproved(
        post_id=command.post_id,
        at=now,
        stage=review.stage,
        review=review.seq,
        actor=command.actor,
        note=command.note,
        edited=edited,
        digest=None if edited is None else digest(edited),
        words=None if edited is None else words(edited),
    )
    return [approved, *advance(post, now)]


def reject(post: Post, command: RejectStage, now: datetime) -> list[AnyFlow]:
    review = _answers(post, command.review)
    rejected = StageRejected(
        post_id=command.post_id,
        at=now,
        stage=review.stage,
        review=review.seq,
        actor=command.actor,
        note=command.note,
    )
    again = Next(review.stage, post.stages[review.stage].alone, command.note)
    return [rejected, *advance(replace(post, next=again), now)]


def edit(post: Post, command: EditContent, now: datetime) -> list[AnyFlow]:
    state = post.stages[command.stage]
    busy = post.active or post.held
    if busy and busy.stage is command.stage:
        raise StageRunning(command.stage)
    if state.output is None:
        raise Rejected(f"{command.stage} has no output to edit yet")
    review = post.review
    if review and review.stage is command.stage and review.mode is GateMode.APPROVE_ONLY:
        raise GateForbidsEdit(command.stage)
    if state.output.digest == digest(command.output):
        return []
    return [
        ContentEdited(
            post_id=command.post_id,
            at=now,
            stage=command.stage,
            actor=command.actor,
            output=command.output,
            digest=digest(command.output),
            words=words(command.output),
        )
    ]


def expire(post: Post, command: ExpireGate, now: datetime) -> list[AnyFlow]:
    review = post.review
    if review is None or review.seq != command.review or review.deadline is None:
        return []
    if now < review.deadline.at:
        return []
    outcome = review.deadline.outcome
    expired = GateExpired(
        post_id=command.post_id, at=now, stage=review.stage, review=review.seq, outcome=outcome
    )
    if outcome == "cancel":
        reason = f"nobody reviewed {review.stage} in time"
        return [expired, PipelineCancelled(post_id=command.post_id, at=now, reason=reason)]
    return [expired, *advance(post, now)]
