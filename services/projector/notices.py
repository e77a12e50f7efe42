"""The rows of notices: what each fact tells of what the outside was told, or has to be told yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.projector.rows import NoticeRow
from shared.domain.events import NoticeDelivered, NoticeFact, NoticeFailed, NoticeStarted
from shared.domain.notices import lost_at, told_as

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.events import Recorded
    from shared.domain.subjects import PostRef


def told(ref: PostRef, recorded: Recorded) -> NoticeRow | None:
    """The notice as it stands after this fact; None when the fact is about none."""
    seq, fact = recorded
    if isinstance(fact, NoticeFact):
        return _attempted(ref, seq, fact)
    event = told_as(fact)
    if event is None:
        return None
    return NoticeRow(ref.id, seq, ref.tenant, event, 0, "waiting", fact.at, seq)


def _attempted(ref: PostRef, seq: int, fact: NoticeFact) -> NoticeRow:
    """An attempt that began is due again when it counts as lost; a failed one as it says itself."""
    state, due = _now(fact)
    return NoticeRow(ref.id, fact.told, ref.tenant, fact.event, fact.attempt, state, due, seq)


def _now(fact: NoticeFact) -> tuple[str, datetime | None]:
    match fact:
        case NoticeStarted():
            return "sending", lost_at(fact.at)
        case NoticeDelivered():
            return "delivered", None
        case NoticeFailed(due=due):
            return ("given_up" if due is None else "waiting"), due
        case _:
            return "skipped", None
