"""The execution log a person reads: one pure function from a recorded fact to an entry, or none.

The projector writes these entries as rows and the gateway streams them, so both tell the same
story. Event names: pipeline_start, stage_start, log, retry, image_generated, image_failed,
stage_complete, stage_error, stage_review, pipeline_complete.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from shared.domain import events as e
from shared.domain.budgets import waiting
from shared.domain.values import Level  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.domain.events import Recorded
    from shared.domain.values import NoticeEvent

type EntryName = Literal[
    "pipeline_start",
    "stage_start",
    "log",
    "retry",
    "image_generated",
    "image_failed",
    "stage_complete",
    "stage_error",
    "stage_review",
    "pipeline_complete",
]


class Entry(NamedTuple):
    """One line of the execution log. `stage` is empty for what concerns the whole post."""

    seq: int
    ts: datetime
    stage: str
    level: Level
    event: EntryName
    message: str
    data: Mapping[str, object]


def journal(recorded: Recorded) -> Entry | None:
    """What people are told about this fact; None when there is nothing to tell."""
    fact = recorded.fact
    if isinstance(fact, e.Progressed):
        if fact.level == "debug":
            return None
        stage, data = str(fact.stage), dict(fact.data)
        return Entry(recorded.seq, fact.at, stage, fact.level, fact.kind, fact.message, data)
    if isinstance(fact, e.CallFact | e.StageStarted):
        return _of_call(recorded)
    if isinstance(fact, e.NoticeFact):
        return _of_notice(recorded)
    if isinstance(fact, e.StageFact):
        return _of_stage(recorded)
    return _of_post(recorded)


def _entry(
    recorded: Recorded, event: EntryName, message: str, *, level: Level = "info", **data: object
) -> Entry:
    seq, fact = recorded
    stage = getattr(fact, "stage", "")
    return Entry(seq, fact.at, str(stage), level, event, message, data)


def _of_call(recorded: Recorded) -> Entry | None:
    match fact := recorded.fact:
        case e.StageStarted(delivery=1):
            return _entry(recorded, "stage_start", f"{_title(fact.stage)} started")
        case e.StageStarted():
            message = f"{_title(fact.stage)} taken up again by another worker"
            return _entry(recorded, "log", message, level="warning", delivery=fact.delivery)
        case e.CallFailed(wait_s=float(wait)):
            return _retry(recorded, fact, wait)
        case e.CallAbandoned():
            message = (
                f"Nobody knows how the call {fact.key!r} ended ({fact.reason}); "
                f"up to ${fact.worst_case_usd:.4f} may have been paid for it"
            )
            return _entry(recorded, "log", message, level="warning", call=fact.key)
        case e.CallSettledLate():
            message = f"The abandoned call {fact.key!r} was billed after all: ${fact.cost_usd:.4f}"
            return _entry(
                recorded, "log", message, level="warning", call=fact.key, cost_usd=fact.cost_usd
            )
        case _:
            return None


def _retry(recorded: Recorded, fact: e.CallFailed, wait: float) -> Entry:
    tried = f"Try {fact.tries} of {fact.max_attempts}"
    if not fact.counted:
        tried = f"{fact.provider} is away for everybody, so this try does not count"
    message = f"{fact.provider} failed ({fact.code}): {fact.message}. {tried}; next in {wait:.1f} s"
    if fact.unconfirmed_usd:
        message += ". What the broken-off answer costs, only the provider knows"
    return _entry(
        recorded,
        "retry",
        message,
        level="warning",
        attempt=fact.tries,
        max_attempts=fact.max_attempts,
        error=fact.message,
        code=fact.code,
        call=fact.key,
    )


def _of_stage(recorded: Recorded) -> Entry | None:
    match fact := recorded.fact:
        case e.StageCompleted():
            return _completed(recorded, fact)
        case e.StageFailed():
            return _failed(recorded, fact)
        case e.ReviewRequested():
            message = f"{_title(fact.stage)} is ready and waits for a person ({fact.mode})"
            return _entry(recorded, "stage_review", message, review=recorded.seq, mode=fact.mode)
        case e.StageApproved():
            changed = " with changes" if fact.edited is not None else ""
            message = f"{_title(fact.stage)} approved{changed} by {fact.actor}"
            return _entry(recorded, "log", message, actor=fact.actor, note=fact.note)
        case e.StageRejected():
            message = f"{_title(fact.stage)} rejected by {fact.actor}: {fact.note or 'no note'}"
            return _entry(recorded, "log", message, actor=fact.actor, note=fact.note)
        case e.StageDiscarded():
            message = f"{_title(fact.stage)} given up by {fact.actor}: {fact.note or 'no note'}"
            return _entry(
                recorded, "log", message, level="warning", actor=fact.actor, note=fact.note
            )
        case e.ContentEdited():
            message = f"{_title(fact.stage)} edited by {fact.actor} ({fact.words} words)"
            return _entry(recorded, "log", message, actor=fact.actor, words=fact.words)
        case e.GateExpired():
            message = f"Nobody reviewed {fact.stage} in time: {fact.outcome}"
            return _entry(recorded, "log", message, level="warning", review=fact.review)
        case e.StageDeferred():
            until = fact.until.astimezone(UTC).isoformat(timespec="seconds")
            message = f"{_title(fact.stage)} waits until {until}"
            return _entry(recorded, "log", message, level="warning", until=until, why=fact.reason)
        case e.BudgetExceeded():
            why = waiting(fact.scope, fact.needed_usd, fact.left_usd, fact.cap_usd)
            message = f"{_title(fact.stage)} waits: {why}"
            return _entry(
                recorded,
                "log",
                message,
                level="warning",
                scope=fact.scope,
                needed_usd=fact.needed_usd,
                left_usd=fact.left_usd,
                cap_usd=fact.cap_usd,
            )
        case _:
            return None


def _completed(recorded: Recorded, fact: e.StageCompleted) -> Entry:
    took = fact.metrics
    message = f"{_title(fact.stage)} complete in {took.duration_s:.1f} s"
    return _entry(
        recorded,
        "stage_complete",
        message,
        model=took.model,
        tokens_in=took.tokens_in,
        tokens_out=took.tokens_out,
        duration_s=round(took.duration_s, 2),
        cost_usd=round(took.cost_usd, 6),
    )


def _failed(recorded: Recorded, fact: e.StageFailed) -> Entry:
    return _entry(
        recorded,
        "stage_error",
        f"{_title(fact.stage)} failed ({fact.code}): {fact.message}",
        level="error",
        error=fact.message,
        code=fact.code,
        attempt=fact.attempts,
        max_attempts=fact.max_attempts,
        traceback=fact.traceback,
        raw=fact.raw,
        moved_to_dlq=fact.parked,
    )


def _of_post(recorded: Recorded) -> Entry | None:
    match fact := recorded.fact:
        case e.PipelineStarted():
            alone = f"{fact.stage} alone" if fact.alone else f"from {fact.stage}"
            return _entry(recorded, "pipeline_start", f"Pipeline started, {alone}")
        case e.PipelineCompleted():
            return _entry(recorded, "pipeline_complete", "All six stages are complete")
        case e.PipelinePaused():
            return _entry(recorded, "log", "Paused: the post stops at the next stage boundary")
        case e.PipelineResumed():
            return _entry(recorded, "log", "Resumed")
        case e.PipelineCancelled():
            why = f": {fact.reason}" if fact.reason else ""
            return _entry(recorded, "log", f"Cancelled{why}", level="warning")
        case e.PostConfigured():
            return _entry(recorded, "log", "Configuration changed")
        case e.PostRestarted():
            return _entry(recorded, "log", "Restarted from the beginning", level="warning")
        case e.PostForked():
            return _entry(recorded, "log", f"Forked from {fact.parent} at {fact.origin}")
        case _:
            return None


def _of_notice(recorded: Recorded) -> Entry | None:
    match fact := recorded.fact:
        case e.NoticeDelivered():
            message = f"The webhook was told: {_TOLD[fact.event]}"
            return _entry(recorded, "log", message, told=fact.told, status=fact.status)
        case e.NoticeFailed():
            due = fact.due.astimezone(UTC).isoformat(timespec="seconds") if fact.due else None
            then = f"tried again at {due}" if due else "given up"
            message = f"The webhook was not told: {_TOLD[fact.event]} ({fact.code}); {then}"
            return _entry(
                recorded,
                "log",
                message,
                level="warning",
                told=fact.told,
                attempt=fact.attempt,
                code=fact.code,
                due=due,
            )
        case _:
            return None


_TOLD: Mapping[NoticeEvent, str] = {
    "review": "a review waits",
    "failed": "a stage failed",
    "complete": "the post is complete",
}


def _title(stage: str) -> str:
    return stage.capitalize()
