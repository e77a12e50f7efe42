"""What a notice says: the same bytes in every attempt, since they follow from the history up to the
fact that is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.domain.events import ReviewRequested, StageFact
from shared.domain.evolve import fold
from shared.domain.journal import journal
from shared.domain.notices import delivery_of

if TYPE_CHECKING:
    from shared.domain.events import Recorded
    from shared.domain.values import NoticeEvent
    from shared.eventlog import History

_MOST_CHARACTERS = 1_000


def message(history: History, told: int, event: NoticeEvent, desk_url: str = "") -> bytes | None:
    """The body; None when the log no longer holds the fact, because the post was deleted."""
    recorded = next((each for each in history.flow if each.seq == told), None)
    if recorded is None or history.post.deleted:
        return None
    config = fold(each for each in history.flow if each.seq <= told).config
    post = str(history.ref.id)
    said = {
        "id": str(delivery_of(history.ref.id, told)),
        "event": event,
        "post_id": post,
        "slug": config.slug if config else "",
        "seq": told,
        **_about(recorded),
        "message": _words(recorded),
        **({"url": f"{desk_url}/api/posts/{post}"} if desk_url else {}),
        "at": recorded.fact.at.isoformat(),
    }
    return json.dumps(said, separators=(",", ":")).encode()


def _about(recorded: Recorded) -> dict[str, object]:
    fact = recorded.fact
    stage = {"stage": str(fact.stage)} if isinstance(fact, StageFact) else {}
    return stage | ({"review": recorded.seq} if isinstance(fact, ReviewRequested) else {})


def _words(recorded: Recorded) -> str:
    entry = journal(recorded)
    return entry.message[:_MOST_CHARACTERS] if entry else ""
