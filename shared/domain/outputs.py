"""The texts of a post, as people left them: the newest version of each stage's output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.events import (
    ContentEdited,
    PostDeleted,
    PostRestarted,
    StageApproved,
    StageCompleted,
)
from shared.domain.values import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.events import PostEvent, Recorded
    from shared.domain.values import Source


def outputs(history: Iterable[Recorded]) -> dict[Stage, str]:
    """Each stage's present output; a stage without one is missing."""
    texts: dict[Stage, str] = {}
    for _, fact in history:
        if isinstance(fact, PostRestarted | PostDeleted):
            texts.clear()
        elif (changed := changed_output(fact)) is not None:
            stage, text = changed
            texts[stage] = text
    return texts


def changed_output(fact: PostEvent) -> tuple[Stage, str] | None:
    """The stage whose output this fact replaces, and the new text; None when it replaces none."""
    match fact:
        case StageCompleted() | ContentEdited():
            return fact.stage, fact.output
        case StageApproved(edited=str(text)):
            return fact.stage, text
        case _:
            return None


def sources(history: Iterable[Recorded]) -> tuple[Source, ...]:
    """The sources of the newest research."""
    found: tuple[Source, ...] = ()
    for _, fact in history:
        if isinstance(fact, StageCompleted) and fact.stage is Stage.RESEARCH:
            found = fact.sources
        elif isinstance(fact, PostRestarted | PostDeleted):
            found = ()
    return found
