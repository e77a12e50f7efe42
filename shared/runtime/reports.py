"""What a run reports when it ends: the stage commands, built from what happened. Pure."""

from __future__ import annotations

import traceback
from math import fsum
from typing import TYPE_CHECKING

from shared.domain.attempts import MAX_DEATHS
from shared.domain.commands import CompleteStage, DeferStage, ExceedBudget, FailStage
from shared.domain.events import CallSettled, Progressed
from shared.domain.text import clean
from shared.domain.values import Metrics
from shared.errors import Misconfigured, TooLarge
from shared.runtime.bookkeeping import cleaned

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from shared.domain.budgets import Refusal
    from shared.domain.events import CallReused
    from shared.errors import ProviderError
    from shared.runtime.desk import Work
    from shared.runtime.outcomes import Deferred
    from shared.runtime.view import RunView

_NOT_FOUND = "not_found_error"
LONGEST = 2_000
"""Messages and raw answers are cut to this many characters, tracebacks to four times as many."""


def completed(
    view: RunView, work: Work, used: Collection[CallSettled | CallReused], now: datetime
) -> CompleteStage:
    return CompleteStage(
        post_id=view.ref.id,
        stage=view.request.stage,
        run=view.run,
        output=clean(work.output),
        metrics=metrics(view, used, now),
        sources=tuple(cleaned(each) for each in work.sources),
        warnings=tuple(clean(warning) for warning in work.warnings),
    )


def metrics(view: RunView, used: Collection[CallSettled | CallReused], now: datetime) -> Metrics:
    """Totals over the answers the result rests on, and the time since the run was first taken
    up."""
    paid = [call for call in used if isinstance(call, CallSettled)]
    by_model: dict[str, float] = {}
    for call in paid:
        by_model[call.usage.model] = by_model.get(call.usage.model, 0.0) + call.cost_usd
    first = view.journal.started_at()
    begun = first.fact.at if first else view.request.at
    return Metrics(
        model=paid[0].usage.model if paid else "",
        tokens_in=sum(call.usage.tokens_in for call in paid),
        tokens_out=sum(call.usage.tokens_out for call in paid),
        duration_s=max(0.0, (now - begun).total_seconds()),
        cost_usd=fsum(by_model.values()),
        by_model=by_model,
    )


def closing_lines(view: RunView, work: Work, now: datetime) -> list[Progressed]:
    """The stage's warnings and its last line, stored together with its completion."""
    warnings = [_line(view, warning, now, warning=True) for warning in work.warnings]
    return [*warnings, _line(view, work.summary, now, warning=False)]


def _line(view: RunView, message: str, now: datetime, *, warning: bool) -> Progressed:
    return Progressed(
        post_id=view.ref.id,
        at=now,
        stage=view.request.stage,
        run=view.run,
        level="warning" if warning else "info",
        message=clean(message),
    )


def failed(
    view: RunView, error: ProviderError, first_key: str | None, max_attempts: int
) -> FailStage:
    """A call failed for good, or its answer cannot be used. A stage that names no call to blame has
    all its calls asked again when a person retries it."""
    return FailStage(
        post_id=view.ref.id,
        stage=view.request.stage,
        run=view.run,
        code=error.code,
        message=clean(_with_way_out(error))[:LONGEST],
        raw=clean(error.raw)[:LONGEST],
        traceback=_trace(error),
        attempts=error.attempts,
        max_attempts=max_attempts,
        call=error.call or first_key,
    )


def _with_way_out(error: ProviderError) -> str:
    """What a post was pinned to stays, whatever the settings say by now; only a person can tell."""
    if error.code != _NOT_FOUND:
        return str(error)
    return f"{error} (if the model is gone, give this stage of the post another: stage_models)"


def deferred(view: RunView, wait: Deferred) -> DeferStage:
    return DeferStage(
        post_id=view.ref.id,
        stage=view.request.stage,
        run=view.run,
        until=wait.until,
        reason=wait.reason,
    )


def over_budget(view: RunView, refusal: Refusal) -> ExceedBudget:
    return ExceedBudget(
        post_id=view.ref.id,
        stage=view.request.stage,
        run=view.run,
        scope=refusal.scope,
        needed_usd=float(refusal.needed),
        left_usd=float(refusal.left),
        cap_usd=float(refusal.cap),
    )


def too_late(view: RunView, seconds: float) -> FailStage:
    message = f"{view.request.stage} took longer than its deadline of {seconds:g} s"
    return _ended(view, "stage_deadline", message)


def died(view: RunView) -> FailStage:
    message = f"worker died {MAX_DEATHS} times in a row without finishing a paid call"
    return _ended(view, "worker_died", message)


def bug(view: RunView, error: Exception) -> FailStage:
    """Something nobody foresaw: the post is parked with the whole story, and a person decides."""
    named: dict[type, str] = {Misconfigured: "misconfigured", TooLarge: "too_large"}
    code = named.get(type(error), f"bug_{type(error).__name__}")
    message = clean(str(error))[:LONGEST] or type(error).__name__
    return _ended(view, code, message, _trace(error))


def _ended(view: RunView, code: str, message: str, trace: str = "") -> FailStage:
    return FailStage(
        post_id=view.ref.id,
        stage=view.request.stage,
        run=view.run,
        code=code,
        message=message,
        traceback=trace,
    )


def _trace(error: BaseException) -> str:
    return clean("".join(traceback.format_exception(error)))[-4 * LONGEST :]
