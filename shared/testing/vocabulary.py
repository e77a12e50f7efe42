"""The words stories are told in: facts in the past tense, commands in the imperative.

Everything is about one post, at one time, with the dullest content there is; a test says only what
matters to it. `run=0` and `review=0` mean the newest of the story (see `shared.testing`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from uuid import NAMESPACE_URL, uuid5

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.text import digest, words
from shared.domain.values import CommandRef, Deadline, GateMode, Stage
from shared.testing import CONFIG, LATER, METRICS, NOW, POST

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.values import PostConfig

type Gates = dict[Stage, GateMode]


def gated(mode: GateMode, *stages: Stage) -> Gates:
    """The same gate after each of these stages; after all six when none is named."""
    return dict.fromkeys(stages or tuple(Stage), mode)


def reviewed(*stages: Stage) -> Gates:
    return gated(GateMode.REVIEW, *stages)


def by(name: str, content: str = "the same", facts: int = 1) -> CommandRef:
    """The command a person gave under this name."""
    return CommandRef(id=uuid5(NAMESPACE_URL, name), digest=content, actor="ann", facts=facts)


def text_of(stage: Stage) -> str:
    """What a stage of the stories writes."""
    return f"the {stage} text"


# --- facts about the post ---------------------------------------------------------------------


def created(
    gates: Gates | None = None,
    *,
    deadline_s: int | None = None,
    outcome: Literal["approve", "cancel"] = "cancel",
) -> e.PostCreated:
    return e.PostCreated(
        post_id=POST,
        at=NOW,
        config=CONFIG,
        gates=gates or {},
        gate_deadline_s=deadline_s,
        gate_outcome=outcome,
    )


def configured(gates: Gates | None = None, config: PostConfig | None = None) -> e.PostConfigured:
    return e.PostConfigured(post_id=POST, at=NOW, gates=gates or {}, config=config)


def started(
    stage: Stage = Stage.RESEARCH, *, alone: bool = False, rules: dict[Stage, int] | None = None
) -> e.PipelineStarted:
    return e.PipelineStarted(post_id=POST, at=NOW, stage=stage, alone=alone, rules=rules or {})


def paused() -> e.PipelinePaused:
    return e.PipelinePaused(post_id=POST, at=NOW)


def resumed() -> e.PipelineResumed:
    return e.PipelineResumed(post_id=POST, at=NOW)


def cancelled(reason: str = "", at: datetime = NOW) -> e.PipelineCancelled:
    return e.PipelineCancelled(post_id=POST, at=at, reason=reason)


def pipeline_completed() -> e.PipelineCompleted:
    return e.PipelineCompleted(post_id=POST, at=NOW)


def restarted() -> e.PostRestarted:
    return e.PostRestarted(post_id=POST, at=NOW)


def deleted() -> e.PostDeleted:
    return e.PostDeleted(post_id=POST, at=NOW)


# --- facts about a stage ----------------------------------------------------------------------


def requested(
    stage: Stage,
    *,
    alone: bool = False,
    note: str = "",
    resumes: int | None = None,
    rules: int | None = None,
    at: datetime = NOW,
) -> e.StageRequested:
    return e.StageRequested(
        post_id=POST, at=at, stage=stage, alone=alone, note=note, resumes=resumes, rules=rules
    )


def completed(stage: Stage, output: str | None = None, run: int = 0) -> e.StageCompleted:
    text = text_of(stage) if output is None else output
    return e.StageCompleted(
        post_id=POST,
        at=NOW,
        stage=stage,
        run=run,
        output=text,
        digest=digest(text),
        words=words(text),
        metrics=METRICS,
    )


def failed(
    stage: Stage, run: int = 0, call: str | None = None, code: str = "bad_key"
) -> e.StageFailed:
    return e.StageFailed(
        post_id=POST, at=NOW, stage=stage, run=run, code=code, message="it failed", call=call
    )


def deferred(stage: Stage, run: int = 0, until: datetime = LATER) -> e.StageDeferred:
    return e.StageDeferred(post_id=POST, at=NOW, stage=stage, run=run, until=until, reason="busy")


def out_of_budget(stage: Stage, run: int = 0) -> e.BudgetExceeded:
    return e.BudgetExceeded(
        post_id=POST,
        at=NOW,
        stage=stage,
        run=run,
        scope="day",
        needed_usd=2,
        left_usd=1,
        cap_usd=5,
        until=NOW + timedelta(seconds=1),
    )


def review(
    stage: Stage,
    mode: GateMode = GateMode.REVIEW,
    deadline: Deadline | None = None,
    run: int = 0,
) -> e.ReviewRequested:
    return e.ReviewRequested(
        post_id=POST, at=NOW, stage=stage, run=run, mode=mode, deadline=deadline
    )


def approved(
    stage: Stage, edited: str | None = None, note: str = "", actor: str = "ann"
) -> e.StageApproved:
    return e.StageApproved(
        post_id=POST,
        at=NOW,
        stage=stage,
        review=0,
        actor=actor,
        note=note,
        edited=edited,
        digest=None if edited is None else digest(edited),
        words=None if edited is None else words(edited),
    )


def rejected(stage: Stage, note: str = "") -> e.StageRejected:
    return e.StageRejected(post_id=POST, at=NOW, stage=stage, review=0, actor="ann", note=note)


def edited(stage: Stage, output: str) -> e.ContentEdited:
    return e.ContentEdited(
        post_id=POST,
        at=NOW,
        stage=stage,
        actor="ann",
        output=output,
        digest=digest(output),
        words=words(output),
    )


# --- commands of people -----------------------------------------------------------------------


def create(
    gates: Gates | None = None,
    *,
    start: bool = True,
    deadline_s: int | None = None,
    outcome: Literal["approve", "cancel"] = "cancel",
    by: CommandRef | None = None,
) -> c.CreatePost:
    return c.CreatePost(
        post_id=POST,
        by=by,
        config=CONFIG,
        gates=gates or {},
        start=start,
        gate_deadline_s=deadline_s,
        gate_outcome=outcome,
    )


def start(*, by: CommandRef | None = None) -> c.StartPipeline:
    return c.StartPipeline(post_id=POST, by=by)


def run_all(*, by: CommandRef | None = None) -> c.StartPipeline:
    return c.StartPipeline(post_id=POST, ungated=True, by=by)


def run(stage: Stage, *, cascade: bool = False) -> c.RunStage:
    return c.RunStage(post_id=POST, stage=stage, cascade=cascade)


def approve(
    edited: str | None = None, *, review: int | None = None, by: CommandRef | None = None
) -> c.ApproveStage:
    return c.ApproveStage(post_id=POST, actor="ann", review=review, edited=edited, by=by)


def reject(note: str = "", *, review: int | None = None) -> c.RejectStage:
    return c.RejectStage(post_id=POST, actor="ann", review=review, note=note)


def edit(stage: Stage, output: str) -> c.EditContent:
    return c.EditContent(post_id=POST, stage=stage, actor="ann", output=output)


def pause(*, by: CommandRef | None = None) -> c.PausePipeline:
    return c.PausePipeline(post_id=POST, by=by)


def resume() -> c.ResumePipeline:
    return c.ResumePipeline(post_id=POST)


def cancel(reason: str = "") -> c.CancelPipeline:
    return c.CancelPipeline(post_id=POST, reason=reason)


def restart() -> c.RestartPost:
    return c.RestartPost(post_id=POST)


def delete(*, by: CommandRef | None = None) -> c.DeletePost:
    return c.DeletePost(post_id=POST, by=by)


# --- commands of stages and duties ------------------------------------------------------------


def complete(stage: Stage, output: str | None = None, run: int = 0) -> c.CompleteStage:
    text = text_of(stage) if output is None else output
    return c.CompleteStage(post_id=POST, stage=stage, run=run, output=text, metrics=METRICS)


def fail(stage: Stage, call: str | None = None, run: int = 0) -> c.FailStage:
    return c.FailStage(
        post_id=POST, stage=stage, run=run, code="bad_key", message="it failed", call=call
    )


def defer(stage: Stage, until: datetime = LATER) -> c.DeferStage:
    return c.DeferStage(post_id=POST, stage=stage, run=0, until=until, reason="busy")


def exceed(stage: Stage) -> c.ExceedBudget:
    return c.ExceedBudget(
        post_id=POST, stage=stage, run=0, scope="day", needed_usd=2, left_usd=1, cap_usd=5
    )


def wake() -> c.WakeStage:
    return c.WakeStage(post_id=POST, run=0)


def expire() -> c.ExpireGate:
    return c.ExpireGate(post_id=POST, review=0)


def press(*last: Stage) -> list[c.AnyCommand]:
    """Create an ungated post and complete every stage, or every stage up to the one named."""
    stages = list(Stage)
    upto = stages.index(last[0]) + 1 if last else len(stages)
    return [create(), *(complete(stage) for stage in stages[:upto])]
