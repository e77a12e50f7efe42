"""The rules of a post: `decide` turns a command into facts, perhaps none, or refuses it by name.

It takes the state, the wish and the time; it never waits and never looks anything up. Gates,
reruns, resuming, pausing and the one-run-at-a-time rule are here and nowhere else.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, assert_never

from shared.domain.commands import (
    AnyCommand,
    ApproveStage,
    CancelPipeline,
    CompleteStage,
    ConfigurePost,
    CreatePost,
    DeferStage,
    DeletePost,
    EditContent,
    ExceedBudget,
    ExpireGate,
    FailStage,
    ForkPost,
    PausePipeline,
    RejectStage,
    RestartPost,
    ResumePipeline,
    RunStage,
    StageCommand,
    StartPipeline,
    WakeStage,
)
from shared.domain.events import (
    AnyFlow,
    BudgetExceeded,
    ContentEdited,
    GateExpired,
    PipelineCancelled,
    PipelineCompleted,
    PipelinePaused,
    PipelineResumed,
    PipelineStarted,
    PostConfigured,
    PostCreated,
    PostDeleted,
    PostForked,
    PostRestarted,
    Recorded,
    ReviewRequested,
    StageApproved,
    StageCompleted,
    StageDeferred,
    StageFailed,
    StageRejected,
    StageRequested,
)
from shared.domain.post import Active, Held, Next, Post, Review, evolve, following
from shared.domain.values import ORDER, Deadline, GateMode, Stage
from shared.errors import (
    CommandReused,
    GateForbidsEdit,
    HistoryFull,
    MissingInput,
    NoSuchPost,
    NothingToReview,
    Rejected,
    StageRunning,
    StaleDecision,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

LONGEST_GATE_S = 10 * 365 * 24 * 3600
NEARLY_FULL = 900
"""From this many flow facts on, a post can only be ended, deleted or forked."""


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
        return _of_stage(post, command, now)
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


# --- stages report ----------------------------------------------------------------------------


def _of_stage(post: Post, command: StageCommand, now: datetime) -> list[AnyFlow]:
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
            return [_exceed(command, now)]
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
    return [completed, *_advance(replace(post, next=following(post, stage)), now)]


def _review(post: Post, command: CompleteStage, now: datetime) -> ReviewRequested:
    deadline = None
    if post.gate_deadline_s is not None:
        due = now + timedelta(seconds=min(post.gate_deadline_s, LONGEST_GATE_S))
        deadline = Deadline(at=due, outcome=post.gate_outcome)
    return ReviewRequested(
        post_id=command.post_id,
        at=now,
        stage=command.stage,
        run=command.run,
        mode=post.gate(command.stage),
        deadline=deadline,
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


def _exceed(command: ExceedBudget, now: datetime) -> BudgetExceeded:
    return BudgetExceeded(
        post_id=command.post_id,
        at=now,
        stage=command.stage,
        run=command.run,
        scope=command.scope,
        needed_usd=command.needed_usd,
        left_usd=command.left_usd,
    )


# --- people and duties ask --------------------------------------------------------------------

type _Other = (
    CreatePost
    | ConfigurePost
    | StartPipeline
    | RunStage
    | RestartPost
    | ApproveStage
    | RejectStage
    | EditContent
    | PausePipeline
    | ResumePipeline
    | CancelPipeline
    | DeletePost
    | ForkPost
    | WakeStage
    | ExpireGate
)
_ENDING = (ApproveStage, ResumePipeline, CancelPipeline, DeletePost, ExpireGate, WakeStage)


def _of_others(post: Post, command: _Other, now: datetime) -> list[AnyFlow]:
    if isinstance(command, CreatePost | ForkPost):
        return _create(post, command, now)
    if post.n == 0 or post.deleted:
        raise NoSuchPost
    if post.n >= NEARLY_FULL and not isinstance(command, _ENDING):
        raise HistoryFull(post.n)
    match command:
        case ConfigurePost():
            return _configure(post, command, now)
        case StartPipeline():
            return _start(post, command, now)
        case RunStage():
            return _run(post, command, now)
        case RestartPost():
            return _restart(command, post, now)
        case ApproveStage():
            return _approve(post, command, now)
        case RejectStage():
            return _reject(post, command, now)
        case EditContent():
            return _edit(post, command, now)
        case PausePipeline():
            return _pause(post, command, now)
        case ResumePipeline():
            return _resume(post, now)
        case CancelPipeline():
            return _cancel(post, command, now)
        case DeletePost():
            return [_delete(post, command, now)]
        case WakeStage():
            return _wake(post, command, now)
        case ExpireGate():
            return _expire(post, command, now)
        case _:
            assert_never(command)


def _create(post: Post, command: CreatePost | ForkPost, now: datetime) -> list[AnyFlow]:
    if post.n or post.deleted:
        raise Rejected("a post with this id exists already")
    if isinstance(command, ForkPost):
        return _fork(command, now)
    created = PostCreated(
        post_id=command.post_id,
        at=now,
        config=command.config,
        gates=command.gates,
        models=command.models,
        gate_deadline_s=command.gate_deadline_s,
        gate_outcome=command.gate_outcome,
    )
    gated = all(command.gates.get(stage, GateMode.AUTO) is not GateMode.AUTO for stage in ORDER)
    if gated or not command.start:
        return [created]
    new = Post(id=command.post_id, models=command.models, rules=command.rules)
    return [created, *_begin(new, ORDER[0], now, rules=command.rules)]


def _fork(command: ForkPost, now: datetime) -> list[AnyFlow]:
    created = PostCreated(
        post_id=command.post_id,
        at=now,
        config=command.config,
        gates=command.gates,
        models=command.models,
    )
    forked = PostForked(
        post_id=command.post_id, at=now, parent=command.parent, origin=command.origin
    )
    return [created, forked]


def _configure(post: Post, command: ConfigurePost, now: datetime) -> list[AnyFlow]:
    config = command.config if command.config != post.config else None
    gates = {s: mode for s, mode in command.gates.items() if post.gate(s) is not mode}
    models = {s: named for s, named in command.models.items() if post.models.get(s) != named}
    if config is None and not gates and not models:
        return []
    return [
        PostConfigured(post_id=command.post_id, at=now, config=config, gates=gates, models=models)
    ]


def _start(post: Post, command: StartPipeline, now: datetime) -> list[AnyFlow]:
    """A pipeline that is under way is not started twice; its gates can still be opened."""
    opened = [*(_ungate(post, now) if command.ungated else []), *_resumed(post, now)]
    post = replace(post, paused=False)
    if post.active or post.held:
        return opened
    if post.review is not None:
        if not command.ungated:
            raise Rejected(f"{post.review.stage} awaits a review: approve or reject it")
        return opened + _open_gate(post, post.review, command, now)
    onward = _go_on(post, now, command.rules)
    if not onward:
        raise Rejected("the pipeline is complete; rerun a stage or restart the post")
    return opened + onward


def _go_on(post: Post, now: datetime, rules: dict[Stage, int]) -> list[AnyFlow]:
    """From the first unfinished stage on; nothing when the pipeline is complete."""
    first = next((stage for stage in ORDER if not post.done(stage)), None)
    if first is not None:
        return _begin(post, first, now, rules=rules)
    if post.completed_at is None:
        return [PipelineCompleted(post_id=_id(post), at=now)]
    return []


def _open_gate(post: Post, review: Review, command: StartPipeline, now: datetime) -> list[AnyFlow]:
    """run-all accepts the open review in the name of who asked, also after a stage run alone."""
    actor = command.by.actor if command.by else "run-all"
    accept = ApproveStage(
        post_id=command.post_id, actor=actor, review=review.seq, note="opened by run-all"
    )
    facts = _accept(post, accept, now)
    if post.next is not None:
        return facts
    return facts + _go_on(evolve(post, Recorded(post.last + 1, facts[0])), now, command.rules)


def _ungate(post: Post, now: datetime) -> list[AnyFlow]:
    gates = {
        stage: GateMode.AUTO
        for stage in ORDER
        if not post.done(stage) and post.gate(stage) is not GateMode.AUTO
    }
    if not gates:
        return []
    return [PostConfigured(post_id=_id(post), at=now, gates=gates)]


def _run(post: Post, command: RunStage, now: datetime) -> list[AnyFlow]:
    """Run one stage. Asked again while it runs, nothing; while another runs, a refusal."""
    if busy := post.active or post.held:
        if busy.stage is command.stage:
            return []
        raise StageRunning(busy.stage)
    if post.review and ORDER.index(post.review.stage) < ORDER.index(command.stage):
        raise Rejected(f"{post.review.stage} awaits a review: approve or reject it")
    earlier = ORDER[: ORDER.index(command.stage)]
    missing = [stage for stage in earlier if post.stages[stage].output is None]
    if missing:
        raise MissingInput(command.stage, missing)
    return _begin(post, command.stage, now, alone=not command.cascade, rules=command.rules)


def _begin(
    post: Post, stage: Stage, now: datetime, *, rules: dict[Stage, int], alone: bool = False
) -> list[AnyFlow]:
    post = replace(post, rules=rules)
    started = PipelineStarted(post_id=_id(post), at=now, stage=stage, alone=alone, rules=rules)
    return [started, _request(post, _again(post, stage, alone=alone), now, _resumes(post, stage))]


def _resumes(post: Post, stage: Stage) -> int | None:
    """A run that failed or was stopped is continued: what it has paid for is free."""
    state = post.stages[stage]
    return state.run if state.ended in ("failed", "cancelled", "superseded") else None


def _again(post: Post, stage: Stage, *, alone: bool) -> Next:
    """What a reviewer asked for is asked again until the stage has answered it."""
    if post.next is not None and post.next.stage is stage:
        return Next(stage, alone, post.next.note)
    continued = _resumes(post, stage) is not None
    return Next(stage, alone, post.stages[stage].note if continued else "")


def _restart(command: RestartPost, post: Post, now: datetime) -> list[AnyFlow]:
    emptied = Post(id=post.id, models=post.models)
    restarted = PostRestarted(post_id=command.post_id, at=now)
    return [restarted, *_begin(emptied, ORDER[0], now, rules=command.rules)]


def _approve(post: Post, command: ApproveStage, now: datetime) -> list[AnyFlow]:
    review = _answers(post, command.review)
    if command.edited is not None and review.mode is GateMode.APPROVE_ONLY:
        raise GateForbidsEdit(review.stage)
    return _accept(post, command, now)


def _answers(post: Post, named: int | None) -> Review:
    """The open review, which must be the one the decision names."""
    if post.review is None:
        raise NothingToReview
    if named is not None and named != post.review.seq:
        raise StaleDecision(named, post.review.seq)
    return post.review


def _accept(post: Post, command: ApproveStage, now: datetime) -> list[AnyFlow]:
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
    return [approved, *_advance(post, now)]


def _reject(post: Post, command: RejectStage, now: datetime) -> list[AnyFlow]:
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
    return [rejected, *_advance(replace(post, next=again), now)]


def _edit(post: Post, command: EditContent, now: datetime) -> list[AnyFlow]:
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


def _pause(post: Post, command: PausePipeline, now: datetime) -> list[AnyFlow]:
    if post.paused:
        return []
    if not (post.active or post.held or post.review or post.next):
        raise Rejected("nothing is under way that could be paused")
    return [PipelinePaused(post_id=command.post_id, at=now)]


def _resume(post: Post, now: datetime) -> list[AnyFlow]:
    """What is open goes on by itself; else the whole run goes on where it stood."""
    resumed = _resumed(post, now)
    if not resumed or post.active or post.held or post.review:
        return resumed
    return resumed + _advance(replace(post, paused=False), now)


def _resumed(post: Post, now: datetime) -> list[AnyFlow]:
    return [PipelineResumed(post_id=_id(post), at=now)] if post.paused else []


def _cancel(post: Post, command: CancelPipeline, now: datetime) -> list[AnyFlow]:
    if post.cancelled:
        return []
    if not (post.active or post.held or post.review or post.next):
        raise Rejected("nothing is under way that could be cancelled")
    return [PipelineCancelled(post_id=command.post_id, at=now, reason=command.reason)]


def _delete(post: Post, command: DeletePost, now: datetime) -> PostDeleted:
    return PostDeleted(
        post_id=command.post_id,
        at=now,
        profile_id=post.config.profile_id if post.config else None,
        spent=command.spent,
        counted=command.counted,
        open=command.open,
    )


def _wake(post: Post, command: WakeStage, now: datetime) -> list[AnyFlow]:
    """A paused post keeps sleeping; the duty loop asks again once it is resumed."""
    held = post.held
    if held is None or held.run != command.run or post.paused or not _due(held, now):
        return []
    state = post.stages[held.stage]
    return [_request(post, Next(held.stage, state.alone, state.note), now, held.run)]


def _due(held: Held, now: datetime) -> bool:
    return held.until is None or held.until <= now


def _expire(post: Post, command: ExpireGate, now: datetime) -> list[AnyFlow]:
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
    return [expired, *_advance(post, now)]


# --- what follows -----------------------------------------------------------------------------


def _advance(post: Post, now: datetime) -> list[AnyFlow]:
    """Over the boundary, unless the post is paused or nothing was to follow."""
    if post.paused or post.next is None:
        return []
    return [_request_next(post, post.next, now)]


def _request_next(post: Post, follows: Next, now: datetime) -> StageRequested | PipelineCompleted:
    if follows.stage is None:
        return PipelineCompleted(post_id=_id(post), at=now)
    return _request(post, follows, now)


def _request(
    post: Post, follows: Next, now: datetime, resumes: int | None = None
) -> StageRequested:
    stage = follows.stage or ORDER[0]
    return StageRequested(
        post_id=_id(post),
        at=now,
        stage=stage,
        models=post.models.get(stage),
        rules=post.rules.get(stage),
        note=follows.note,
        resumes=resumes,
        alone=follows.alone,
    )


def _id(post: Post) -> UUID:
    if post.id is None:
        raise NoSuchPost
    return post.id


def digest(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, as hex."""
    return sha256(text.encode()).hexdigest()


def words(text: str) -> int:
    """Words as people count them: runs of anything but white space."""
    return len(text.split())
