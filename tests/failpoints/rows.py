"""The matrix: at which places a stage's process dies, and what each leaves behind.

A row is one post. Each stage it goes through dies once at every entry of the row, in order, and is
started again by the plant.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.values import ORDER, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`entries` as in GALLEY_FAILPOINT, without their action. `lost`: how many attempts nobody
    knows the end of, each with a paid answer if `paid`; None where that depends on what else was
    under way (pictures are made several at once)."""

    entries: tuple[str, ...]
    lost: int | None = 0
    paid: bool = False
    stages: tuple[Stage, ...] = ORDER

    @property
    def always(self) -> bool:
        """Part of every run of the suite, not only of the whole matrix."""
        return str(self) in _ALWAYS

    def __str__(self) -> str:
        return "+".join(self.entries)


_ALWAYS = {"run.started", "call.unsent", "append.handed@2", "call.settled", "run.finished"}
TEXTS = tuple(stage for stage in ORDER if stage is not Stage.IMAGES)
PICTURES = (Stage.IMAGES,)


def _row(*entries: str, lost: int | None = 0, paid: bool = False) -> Row:
    return Row(entries=entries, lost=lost, paid=paid)


def _of_texts(entry: str) -> Row:
    return Row(entries=(entry,), stages=TEXTS)


def _of_pictures(entry: str) -> Row:
    return Row(entries=(entry,), lost=None, stages=PICTURES)


ROWS = (
    _row("run.fetched"),
    _row("run.read"),
    _row("append.stored@1"),
    _row("run.started"),
    _row("call.unclaimed"),
    _row("append.handed@1"),
    _row("append.stored@2", lost=1),
    _row("call.claimed", lost=1),
    _row("call.unsent", lost=1),
    _row("call.claimed", "call.abandoned", lost=1),
    _row("call.answered", lost=1, paid=True),
    _row("append.handed@2", lost=1, paid=True),
    _row("append.stored@3"),
    _row("call.settled"),
    _of_texts("append.handed@3"),
    _row("run.unfinished"),
    _of_texts("append.stored@4"),
    _row("run.finished"),
    _row("run.acked"),
    _of_pictures("call.claimed@3"),
    _of_pictures("call.unsent@4"),
    _of_pictures("call.answered@3"),
    _of_pictures("call.pictured"),
    _of_pictures("call.pictured@3"),
    _of_pictures("append.handed@4"),
    _of_pictures("call.settled@3"),
    _of_pictures("call.settled@5"),
)
"""A batch's second entry: 1 is the claim, 2 the answer, 3 the outcome; of single appends also the
delivery counts, so that there they are 2, 3 and 4."""

STOPS = {
    "call.claimed@1": {(0, 1)},
    "call.unsent@1": {(1, 0), (0, 1)},
    "call.answered@1": {(1, 0)},
    "call.settled@1": {(0, 0)},
    "run.unfinished@1": {(0, 0)},
}
"""Where a worker is stopped until another has taken over, and what may be left: how many bills that
came late, how many attempts without a bill. A request that is sent late may be cut off in flight,
since the run is over by then."""

SENDING = ("call.unsent@1", "call.answered@1")
"""The part of these that every run of the suite can afford."""
