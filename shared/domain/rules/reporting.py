"""What follows when a stage reports: completed, failed, deferred or out of budget."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from shared.domain.commands import CompleteStage, DeferStage, ExceedBudget, FailStage, StageCommand
from shared.domain.events import (
    AnyFlow,
    BudgetExceeded,
    ReviewRequested,
    StageCompleted,
    StageDeferred,
    StageFailed,
)
from shared.domain.evolve import following
from shared.domain.post import Active, Post
from shared.domain.rules.deadlines import deadline
from shared.domain.rules.steps import NEARLY_FULL, advance
from shared.domain.text import digest, words
from shared.domain.values import GateMode
from shared.errors import HistoryFull

if TYPE_CHECKING:
    from datetime import datetime


LONGEST_PAUSE_S = 60.0
"""A post that waits for a budget looks again after so long at the latest."""


def report(post: Post, command: StageCommand, now: datetime) -> list[AnyFlow]:
    """A report about a run that is not the open one changes nothing."""
    if post.active != Active(command.run, command.stage):
        return []
    match command:
        case CompleteStage():
            return _complete(post, command, now)
        case FailStage():
            return [_fail(command, now)]
        case DeferStage() | ExceedBudget() if post.n >= NEARLY_FULL:
            return [_fail(_full(post, command), now)]
        case DeferStage():
            return [_defer(command, now)]
        case ExceedBudget():
            return [_exceed(post, command, now)]
        case _:
            assert_never(command)


def _complete(post: Post, command: CompleteStage, now: datetime) -> list[AnyFlow]:
    stage = command.stage
    completed = StageCompleted(
        post_id=command.post_id,
        at=now,
        stage=stage,
        run=command.run,
        output=command.output,
        digest=digest(command.output),
        words=words(command.output),
        metrics=command.metrics,
        sources=command.sources,
        warnings=command.warnings,
    )
    if post.gate(stage) is not GateMode.AUTO:
        return [completed, _review(post, command, now)]
    return [completed, *advance(replace(post, next=following(post, stage)), now)]


def _review(post: Post, command: CompleteStage, now: datetime) -> ReviewRequested:
    return ReviewRequested(
        post_id=command.post_id,
        at=now,
        stage=command.stage,
        run=command.run,
        mode=post.gate(command.stage),
        deadline=deadline(post.terms, now),
    )


def _fail(command: FailStage, now: datetime) -> StageFailed:
    return StageFailed(
        post_id=command.post_id,
        at=now,
        stage=command.stage,
        run=command.run,
        code=command.code,
        message=command.message,
        traceback=command.traceback,
        raw=command.raw,
        attempts=command.attempts,
        max_attempts=command.max_attempts,
        call=command.call,
    )


def _full(post: Post, command: DeferStage | ExceedBudget) -> FailStage:
    return FailStage(
        post_id=command.post_id,
        stage=command.stage,
        run=command.run,
        code="history_full",
        message=str(HistoryFull(post.n)),
    )


def _defer(command: DeferStage, now: datetime) -> StageDeferred:
    return StageDeferred(
        post_id=command.post_id,
        at=now,
        stage=command.stage,
        run=command.run,
        until=command.until,
        reason=command.reason,
    )


def _exceed(post: Post, command: ExceedBudget, now: datetime) -> BudgetExceeded:
    """A run that is woken for nothing time and again would fill the post's history."""
    before = min(post.stages[command.stage].refused, 10)
    pause = min(LONGEST_PAUSE_S, 2.0**before)
    return BudgetExceeded(
        post_id=command.post_id,
        at=now,
        stage=command.stage,
        run=command.run,
        scope=command.scope,
        needed_usd=command.needed_usd,
        left_usd=command.left_usd,
        cap_usd=command.cap_usd,
        until=now + timedelta(seconds=pause),
    )
