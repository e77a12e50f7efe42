"""The texts being written at this moment, kept so that who joins late sees them from the start.

One text per post and stage: a newer attempt begins it anew, the durable outcome ends it. Pieces of
an older or finished attempt are ignored, whenever they come.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.gateway.streams.frames import named
from shared.domain.events import (
    BudgetExceeded,
    PipelineCancelled,
    PostDeleted,
    PostRestarted,
    StageCompleted,
    StageDeferred,
    StageFailed,
)

if TYPE_CHECKING:
    from uuid import UUID

    from services.gateway.streams.frames import Frame
    from shared.domain.events import PostEvent
    from shared.domain.values import Stage
    from shared.eventlog import Tokens

_MOST = 2_000
_LONGEST = 500_000
_REMEMBERED = 20_000

type _Of = tuple[UUID, Stage]

_ENDS_ONE = (StageCompleted, StageFailed, StageDeferred, BudgetExceeded)
_ENDS_ALL = (PostDeleted, PostRestarted, PipelineCancelled)
_ENDING = frozenset(fact.EVENT for fact in _ENDS_ONE + _ENDS_ALL)


def may_end_a_text(subject: str) -> bool:
    """Whether `Drafts.ended` has any use for what stands at this subject."""
    words = subject.split(".")
    return words[3] == "flow" and words[5] in _ENDING


@dataclass(frozen=True, slots=True)
class Draft:
    """What one attempt has written since character `start`: 0 unless pieces were missed."""

    run: int
    key: str
    attempt: int
    start: int
    text: str

    @property
    def age(self) -> tuple[int, int]:
        return self.run, self.attempt

    def frame(self, post: UUID, stage: Stage) -> Frame:
        return _frame(post, stage, self, self.start, self.text)


class Drafts:
    def __init__(self) -> None:
        self._drafts: OrderedDict[_Of, Draft] = OrderedDict()
        self._over: OrderedDict[_Of, int] = OrderedDict()

    def of(self, post: UUID, stages: tuple[Stage, ...]) -> list[Frame]:
        """What is being written for a post, whole."""
        found = ((stage, self._drafts.get((post, stage))) for stage in stages)
        return [draft.frame(post, stage) for stage, draft in found if draft is not None]

    def take(self, post: UUID, piece: Tokens) -> Frame | None:
        """Add a piece; what to tell those who watch, None when it is of no use any more."""
        place = post, piece.stage
        if piece.run <= self._over.get(place, 0):
            return None
        draft = _joined(self._drafts.get(place), piece)
        if draft is None:
            return None
        self._drafts[place] = draft
        self._drafts.move_to_end(place)
        if len(self._drafts) > _MOST:
            self._drafts.popitem(last=False)
        return _frame(post, piece.stage, draft, piece.offset, piece.text)

    def ended(self, post: UUID, fact: PostEvent) -> None:
        """The log has spoken: forget what it makes obsolete."""
        if isinstance(fact, _ENDS_ONE):
            self._forget((post, fact.stage), fact.run)
        elif isinstance(fact, _ENDS_ALL):
            for place, draft in [each for each in self._drafts.items() if each[0][0] == post]:
                self._forget(place, draft.run)

    def _forget(self, place: _Of, run: int) -> None:
        draft = self._drafts.get(place)
        if draft is not None and draft.run <= run:
            del self._drafts[place]
        self._over[place] = max(run, self._over.pop(place, 0))
        if len(self._over) > _REMEMBERED:
            self._over.popitem(last=False)


def _joined(draft: Draft | None, piece: Tokens) -> Draft | None:
    """The draft with the piece; None when the piece is old or known."""
    fresh = Draft(piece.run, piece.key, piece.attempt, piece.offset, piece.text[:_LONGEST])
    if draft is None or fresh.age > draft.age or fresh.key != draft.key:
        return None if draft is not None and fresh.age < draft.age else fresh
    end = draft.start + len(draft.text)
    if fresh.age < draft.age or piece.offset + len(piece.text) <= end:
        return None
    if piece.offset > end or len(draft.text) > _LONGEST:
        return fresh
    text = draft.text[: piece.offset - draft.start] + piece.text
    return Draft(draft.run, draft.key, draft.attempt, draft.start, text)


def _frame(post: UUID, stage: Stage, draft: Draft, offset: int, text: str) -> Frame:
    payload = {
        "event": "tokens",
        "post_id": str(post),
        "stage": stage,
        "run": draft.run,
        "key": draft.key,
        "attempt": draft.attempt,
        "offset": offset,
        "text": text,
    }
    return named("tokens", payload)
