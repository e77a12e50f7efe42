"""Why a run ends without an output of its own; each is raised through the stage function."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.budgets import Refusal


class RunEnded(Exception):
    """Base: the stage function is left, and the runtime knows what to do."""


class NotActive(RunEnded):
    """The run is closed: cancelled, superseded, finished or deleted. `seen` is the post's last flow
    fact in the read that showed it; 0 when no read did."""

    def __init__(self, *, deleted: bool = False, seen: int = 0) -> None:
        super().__init__("the run is no longer the open one")
        self.deleted = deleted
        self.seen = seen


class Overtaken(RunEnded):
    """A newer delivery works on this run: claim nothing more, abandon nothing, do not ack."""


class Deferred(RunEnded):
    """The provider asks for a longer wait than a worker sits out."""

    def __init__(self, until: datetime, reason: str) -> None:
        super().__init__(reason)
        self.until = until
        self.reason = reason


class OverBudget(RunEnded):
    """The next call does not fit a budget; nothing of it was claimed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"the budget of the {refusal.scope} has no room")
        self.refusal = refusal
