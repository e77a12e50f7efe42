"""The facts of one attempt: how it is claimed, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from shared.domain.events import NoticeDelivered, NoticeFailed, NoticeSkipped, NoticeStarted
from shared.domain.notices import next_due

if TYPE_CHECKING:
    from datetime import datetime

    from services.gateway.notices.due import Due
    from services.gateway.notices.undelivered import Undelivered
    from shared.domain.events import AnyNotice

type Reason = Literal["no_webhook", "no_secret", "not_wanted"]


def claims(each: Due, unwanted: Reason | None, now: datetime) -> list[AnyNotice]:
    """What has to be new in the log for the next attempt to be ours.

    A lost attempt is ended first, in the same append; if it was the last one, nothing follows.
    """
    before: list[AnyNotice] = []
    if each.lost:
        again = now if next_due(each.attempt, now) else None
        before.append(NoticeFailed(**_of(each, each.attempt, now), code="ambiguous", due=again))
        if again is None:
            return before
    begun = _of(each, each.attempt + 1, now)
    if unwanted is None:
        return [*before, NoticeStarted(**begun)]
    return [*before, NoticeSkipped(**begun, reason=unwanted)]


def failed(begun: NoticeStarted, why: Undelivered, now: datetime) -> NoticeFailed:
    due = next_due(begun.attempt, now)
    return NoticeFailed(**_same(begun, now), code=why.code, status=why.status, due=due)


def delivered(begun: NoticeStarted, status: int, now: datetime) -> NoticeDelivered:
    return NoticeDelivered(**_same(begun, now), status=status)


def _of(each: Due, attempt: int, now: datetime) -> dict[str, Any]:
    return {
        "post_id": each.ref.id,
        "at": now,
        "told": each.told,
        "attempt": attempt,
        "event": each.event,
    }


def _same(begun: NoticeStarted, now: datetime) -> dict[str, Any]:
    return {**begun.model_dump(exclude={"type"}), "at": now}
