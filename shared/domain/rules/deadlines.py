"""How long a review waits: its deadline always counts from the moment it was opened.

So a change of terms means the same before and after a review opens: a week is a week from its
opening, and shortened to a time that has gone by, the review is decided at the next look.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from shared.domain.values import Deadline

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.post import Post
    from shared.domain.values import GateTerms

LONGEST_GATE_S = 10 * 365 * 24 * 3600


def deadline(terms: GateTerms, opened: datetime) -> Deadline | None:
    """When a review that was opened then is decided without a person; None: never."""
    if terms.deadline_s is None:
        return None
    due = opened + timedelta(seconds=min(terms.deadline_s, LONGEST_GATE_S))
    return Deadline(at=due, outcome=terms.outcome)


def moved(post: Post, terms: GateTerms | None, now: datetime) -> Deadline | None:
    """The deadline of the open review once these terms hold."""
    if post.review is None or terms is None:
        return None
    return deadline(terms, post.review.opened or now)
