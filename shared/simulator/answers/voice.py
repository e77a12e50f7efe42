"""Draws sentences from the phrase bank for one document, each once before any comes again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.simulator.answers.aspects import ASPECTS
from shared.simulator.answers.phrases import PHRASES

if TYPE_CHECKING:
    from shared.simulator.answers.aspects import Aspect
    from shared.simulator.answers.subject import Subject
    from shared.simulator.chance import Chance

_SLOT = re.compile(r"\{(\w+)\}")
_NUMBERS = {
    "few": (2, 5),
    "some": (6, 12),
    "minutes": (10, 25),
    "weeks": (2, 6),
    "share": (30, 80),
    "year": (2021, 2025),
}


class Voice:
    """One author's way of writing about one subject."""

    def __init__(self, subject: Subject, chance: Chance) -> None:
        self.subject = subject
        self.chance = chance
        self._decks: dict[str, list[str]] = {}

    def say(self, kind: str) -> str:
        """The next phrase of a kind, its slots filled."""
        return self.fill(self._draw(kind, PHRASES[kind]))

    def link(self, url: str) -> str:
        """A sentence that links to this page."""
        before, _, after = self._draw("link", PHRASES["link"]).partition("{url}")
        return f"{self.fill(before)}{url}{after}"

    def of(self, aspect: Aspect, part: str) -> str:
        """The next phrase of an aspect: heading, purpose, sentence, point or detail."""
        return self.fill(self._draw(f"{aspect.name}.{part}", getattr(aspect, part)))

    def points(self, aspect: Aspect, count: int) -> str:
        """So many points of an aspect as a list, in the order in which they make sense."""
        kept = self.chance.shuffled(range(len(aspect.point)))[:count]
        return "\n".join(f"- {self.fill(aspect.point[at])}" for at in sorted(kept))

    def aspects(self, count: int) -> list[Aspect]:
        """So many aspects in a sensible order: the first and the last are always there."""
        first, *middle, last = ASPECTS
        kept = self.chance.shuffled(middle)[: max(0, count - 2)]
        return [first, *(aspect for aspect in middle if aspect in kept), last]

    def fill(self, template: str) -> str:
        """The template with its slots filled; what is filled in is never read as a template."""
        filled = _SLOT.sub(lambda slot: self._slot(slot[1]), template)
        return filled[:1].upper() + filled[1:]

    def _slot(self, name: str) -> str:
        if name == "doing":
            return self.subject.doing
        if name == "title":
            return self.subject.title
        if name in _NUMBERS:
            return str(self.chance.between(*_NUMBERS[name]))
        return _SLOT.sub(lambda slot: self._slot(slot[1]), self._draw(name, PHRASES[name]))

    def _draw(self, key: str, phrases: tuple[str, ...]) -> str:
        if not self._decks.get(key):
            self._decks[key] = self.chance.shuffled(phrases)
        return self._decks[key].pop()
