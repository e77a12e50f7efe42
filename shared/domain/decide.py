"""The rules of a post: `decide` turns a command into facts, perhaps none, or refuses it by name.

It takes the state, the wish and the time; it never waits and never looks anything up. Gates,
reruns, resuming, pausing and the one-run-at-a-time rule are in `rules` and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from shared.domain.commands import (
    AnyCommand,
    ApproveStage,
    CancelPipeline,
    ChangePost,
    CompleteStage,
    ConfigurePost,
    CreatePost,
    DeferStage,
    DeletePost,
    DiscardFailed,
    EditContent,
    ExceedBudget,
    ExpireGate,
    FailStage,
    ForkPost,
    PausePipeline,
    RejectStage,
    RestartPost,
    ResumePipeline,
    RetryFailed,
    RunStage,
    StartPipeline,
    WakeStage,
)
from shared.domain.rules.changing import change
from shared.domain.rules.controlling import cancel, delete, pause, resume, wake
from shared.domain.rules.parked import discard, retry
from shared.domain.rules.reporting import report
from shared.domain.rules.reviewing import approve, edit, expire, reject
from shared.domain.rules.starting import configure, create, restart, run, start
from shared.domain.rules.steps import NEARLY_FULL
from shared.errors import CommandReused, HistoryFull, NoSuchPost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.domain.events import AnyFlow
    from shared.domain.post import Post


def decide(post: Post, command: AnyCommand, now: datetime) -> list[AnyFlow]:
    """The facts a command leads to in this state; none when it was answered before or changes
    nothing.

    Raises `Rejected` (or one of its kinds) when a rule forbids it, `CommandReused` when its id
    stands for another command.
    """
    if post.id is not None and post.id != command.post_id:
        raise NoSuchPost
    if answered(post, command):
        return []
    if isinstance(command, CompleteStage | FailStage | DeferStage | ExceedBudget):
        return report(post, command, now)
    return _signed(_of_others(post, command, now), command)


def answered(post: Post, command: AnyCommand) -> bool:
    """This very command was decided before: its facts are in the history."""
    before = post.commands.get(command.by.id) if command.by else None
    if before is None or command.by is None:
        return False
    if before.digest != command.by.digest:
        raise CommandReused
    return True


def _signed(facts: Sequence[AnyFlow], command: AnyCommand) -> list[AnyFlow]:
    if not facts or command.by is None:
        return list(facts)
    ref = command.by.model_copy(update={"facts": len(facts)})
    return [facts[0].model_copy(update={"command": ref}), *facts[1:]]


type _Other = (
    CreatePost
    | ConfigurePost
    | StartPipeline
    | RunStage
    | RestartPost
    | ApproveStage
    | RejectStage
    | EditContent
    | ChangePost
    | PausePipeline
    | ResumePipeline
    | CancelPipeline
    | DeletePost
    | ForkPost
    | WakeStage
    | ExpireGate
    | RetryFailed
    | DiscardFailed
)
_ENDING = (
    ApproveStage,
    ResumePipeline,
    CancelPipeline,
    DeletePost,
    DiscardFailed,
    ExpireGate,
    WakeStage,
)


def _of_others(post: Post, command: _Other, now: datetime) -> list[AnyFlow]:
    if isinstance(command, CreatePost | ForkPost):
        return create(post, command, now)
    if post.n == 0 or post.deleted:
        raise NoSuchPost
    if post.n >= NEARLY_FULL and not isinstance(command, _ENDING):
        raise HistoryFull(post.n)
    match command:
        case ConfigurePost():
            return configure(post, command, now)
        case StartPipeline():
            return start(post, command, now)
        case RunStage():
            return run(post, command, now)
        case RestartPost():
            return restart(command, post, now)
        case ApproveStage():
            return approve(post, command, now)
        case RejectStage():
            return reject(post, command, now)
        case EditContent():
            return edit(post, command, now)
        case ChangePost():
            return change(post, command, now)
        case PausePipeline():
            return pause(post, command, now)
        case ResumePipeline():
            return resume(post, now)
        case CancelPipeline():
            return cancel(post, command, now)
        case DeletePost():
            return [delete(post, command, now)]
        case WakeStage():
            return wake(post, command, now)
        case ExpireGate():
            return expire(post, command, now)
        case RetryFailed():
            return retry(post, command, now)
        case DiscardFailed():
            return discard(post, command, now)
        case _:
            assert_never(command)
