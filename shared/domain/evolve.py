"""A post is the fold of its flow facts: `evolve` remembers, a case per fact, and judges nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Literal, assert_never

from shared.domain.events import (
    AnyFlow,
    BudgetExceeded,
    ContentEdited,
    FlowFact,
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
    ReviewRequested,
    StageApproved,
    StageCompleted,
    StageDeferred,
    StageDiscarded,
    StageFailed,
    StageRejected,
    StageRequested,
)
from shared.domain.post import (
    Active,
    Answered,
    Failure,
    Held,
    Next,
    Output,
    Post,
    Review,
    StageState,
    Status,
)
from shared.domain.values import ORDER, Deadline, GateTerms, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.events import Recorded


def fold(history: Iterable[Recorded]) -> Post:
    """The state after these flow facts, in order. Facts of other kinds are passed over."""
    return reduce(evolve, history, Post())


def evolve(post: Post, recorded: Recorded) -> Post:
    """The state after one more fact. Never refuses: what happened, happened."""
    seq, fact = recorded
    if not isinstance(fact, FlowFact):
        return post
    return _noted(_changed(post, seq, fact), seq, fact)


def _noted(post: Post, seq: int, fact: AnyFlow) -> Post:
    commands, ref = post.commands, fact.command
    if ref is not None:
        commands = {**commands, ref.id: Answered(ref.digest, seq, ref.facts)}
    return _copy(post, n=post.n + 1, last=seq, updated_at=fact.at, commands=commands)


def _changed(post: Post, seq: int, fact: AnyFlow) -> Post:
    match fact:
        case PostCreated():
            return _created(fact)
        case PostConfigured():
            return _configured(post, fact)
        case PipelineStarted():
            return _copy(post, rules=fact.rules, cancelled=False, completed_at=None)
        case StageRequested():
            return _requested(post, seq, fact)
        case StageCompleted():
            return _completed(post, seq, fact)
        case StageFailed():
            return _failed(post, fact)
        case StageDeferred():
            return _held(post, fact, "deferred", Held(fact.run, fact.stage, until=fact.until))
        case BudgetExceeded():
            return _refused(post, fact)
        case ReviewRequested():
            review = Review(seq, fact.stage, fact.mode, fact.deadline, fact.at)
            return _with(_copy(post, review=review), fact.stage, status="review")
        case StageApproved():
            return _approved(post, seq, fact)
        case StageRejected():
            return _rejected(post, fact)
        case GateExpired():
            return _expired(post, fact)
        case ContentEdited():
            return _output(post, fact.stage, Output(seq, fact.digest, fact.words))
        case PipelinePaused():
            return _copy(post, paused=True)
        case PipelineResumed():
            return _copy(post, paused=False)
        case PipelineCancelled():
            return _copy(_stopped(post, "cancelled"), next=None, paused=False, cancelled=True)
        case PipelineCompleted():
            return _copy(post, next=None, cancelled=False, completed_at=fact.at)
        case StageDiscarded():
            return _discarded(post, fact)
        case PostRestarted():
            return _copy(
                post,
                stages=Post().stages,
                active=None,
                review=None,
                held=None,
                next=None,
                paused=False,
                completed_at=None,
            )
        case PostForked():
            return _copy(post, parent=fact.parent)
        case PostDeleted():
            return Post(
                id=fact.post_id, n=post.n, last=post.last, deleted=True, commands=post.commands
            )
        case _:
            assert_never(fact)


def _created(fact: PostCreated) -> Post:
    return Post(
        id=fact.post_id,
        config=fact.config,
        gates=fact.gates,
        models=fact.models,
        gate_deadline_s=fact.gate_deadline_s,
        gate_outcome=fact.gate_outcome,
        created_at=fact.at,
    )


def _configured(post: Post, fact: PostConfigured) -> Post:
    post = _copy(
        post,
        config=fact.config or post.config,
        gates={**post.gates, **fact.gates},
        models={**post.models, **fact.models},
    )
    return post if fact.terms is None else _on_terms(post, fact.terms, fact.deadline)


def _on_terms(post: Post, terms: GateTerms, deadline: Deadline | None) -> Post:
    """The open review is on the new terms as well."""
    review = None if post.review is None else replace(post.review, deadline=deadline)
    return _copy(post, gate_deadline_s=terms.deadline_s, gate_outcome=terms.outcome, review=review)


def _requested(post: Post, seq: int, fact: StageRequested) -> Post:
    """A newer request replaces whatever was open. What a paused pipeline was to do next outlives a
    stage run alone."""
    waited = post.stages[fact.stage].ended == "budget"
    post = _stopped(post, "superseded")
    kept = post.next if fact.alone and post.paused else None
    post = _copy(post, active=Active(seq, fact.stage), next=kept, completed_at=None)
    return _with(
        post,
        fact.stage,
        status="running",
        run=seq,
        resumes=fact.resumes,
        alone=fact.alone,
        redo=fact.redo,
        note=fact.note,
        ended=None,
        since=fact.at,
        failure=None,
        warnings=(),
        refused=post.stages[fact.stage].refused if waited else 0,
    )


def _completed(post: Post, seq: int, fact: StageCompleted) -> Post:
    follows, state = following(post, fact.stage), post.stages[fact.stage]
    # One picture made anew does not make the others fit a text that has changed since.
    stale = (state.redo is not None and state.stale) or _overtaken(post, fact.stage, fact.run)
    post = _output(post, fact.stage, Output(seq, fact.digest, fact.words))
    return _with(
        _copy(post, active=None, next=follows),
        fact.stage,
        status="complete",
        stale=stale,
        ended="completed",
        metrics=fact.metrics,
        warnings=fact.warnings,
    )


def following(post: Post, stage: Stage) -> Next | None:
    """What the completion of a stage leads to, gates and pauses aside.

    A stage run alone leads nowhere, unless a paused pipeline was to go on. The last stage completes
    the pipeline only if all the others are complete.
    """
    later = ORDER[ORDER.index(stage) + 1 :]
    if later and post.stages[stage].alone:
        kept = post.next
        return Next(later[0]) if kept is not None and kept.stage is stage else kept
    if later:
        return Next(later[0])
    others = (post.stages[each].status == "complete" for each in ORDER[:-1])
    return Next(None) if all(others) else None


def _overtaken(post: Post, stage: Stage, run: int) -> bool:
    """An earlier output changed after this run was asked for, so the run never saw the change."""
    earlier = (post.stages[before].output for before in ORDER[: ORDER.index(stage)])
    return any(output is not None and output.seq > run for output in earlier)


def _output(post: Post, stage: Stage, output: Output) -> Post:
    """A stage has a new output: what was made from the old one is stale."""
    position = ORDER.index(stage)
    stages = {
        each: _copy(state, stale=True)
        if ORDER.index(each) > position and state.output is not None
        else state
        for each, state in post.stages.items()
    }
    stages[stage] = _copy(stages[stage], output=output)
    return _copy(post, stages=stages)


def _failed(post: Post, fact: StageFailed) -> Post:
    failure = Failure(fact.code, fact.message, fact.attempts, fact.at, fact.raw)
    post = _copy(post, active=None, held=None, next=None)
    return _with(post, fact.stage, status="failed", ended="failed", failure=failure)


def _discarded(post: Post, fact: StageDiscarded) -> Post:
    """As a cancelled run leaves it, but that a later run still continues the failed one."""
    status: Status = "pending" if post.stages[fact.stage].output is None else "complete"
    post = _copy(post, next=None, paused=False, cancelled=True)
    return _with(post, fact.stage, status=status, failure=None)


def _held(
    post: Post,
    fact: StageDeferred | BudgetExceeded,
    ended: Literal["deferred", "budget"],
    held: Held,
) -> Post:
    return _with(_copy(post, active=None, held=held), fact.stage, status="waiting", ended=ended)


def _refused(post: Post, fact: BudgetExceeded) -> Post:
    held = Held(
        fact.run,
        fact.stage,
        until=fact.until,
        scope=fact.scope,
        needed_usd=fact.needed_usd,
        left_usd=fact.left_usd,
        cap_usd=fact.cap_usd,
    )
    again = post.stages[fact.stage].refused + 1
    return _with(_held(post, fact, "budget", held), fact.stage, refused=again)


def _approved(post: Post, seq: int, fact: StageApproved) -> Post:
    post = _with(_copy(post, review=None), fact.stage, status="complete")
    if fact.edited is None:
        return post
    return _output(post, fact.stage, Output(seq, fact.digest or "", fact.words or 0))


def _expired(post: Post, fact: GateExpired) -> Post:
    """Approved by default; otherwise the cancellation that follows closes the review."""
    if fact.outcome == "cancel":
        return post
    return _with(_copy(post, review=None), fact.stage, status="complete")


def _rejected(post: Post, fact: StageRejected) -> Post:
    """The output stays readable, but it is stale: cancelling the rerun does not accept it."""
    again = Next(fact.stage, post.stages[fact.stage].alone, fact.note)
    post = _copy(post, review=None, next=again)
    return _with(post, fact.stage, status="pending", stale=True, ended="rejected")


def _stopped(post: Post, ended: Literal["cancelled", "superseded"]) -> Post:
    """Whatever was running, held or in review is open no longer. An output nobody accepted is
    stale: its run can be continued for nothing, and then asks for a review again."""
    if post.review is not None:
        post = _with(post, post.review.stage, status="complete", stale=True, ended=ended)
    if open_run := post.active or post.held:
        output = post.stages[open_run.stage].output
        status: Status = "complete" if output is not None else "pending"
        post = _with(post, open_run.stage, status=status, ended=ended)
    return _copy(post, active=None, review=None, held=None)


def _with(post: Post, stage: Stage, **changes: object) -> Post:
    state = _copy(post.stages[stage], **changes)
    return _copy(post, stages={**post.stages, stage: state})


def _copy[T: (Post, StageState)](value: T, **changes: object) -> T:
    """`dataclasses.replace`, a dozen times as fast: every service folds every fact."""
    new = object.__new__(type(value))
    new.__dict__.update(value.__dict__, **changes)
    return new
