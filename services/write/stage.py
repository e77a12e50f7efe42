"""Write: the full draft, from the outline, the research and its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.content.article import title_of, titled, without_labels, without_notes
from shared.content.citations import listed
from shared.content.endings import is_cut_off
from shared.content.prompt import compose
from shared.content.usable import document, measured, unusable
from shared.domain.values import Stage
from shared.runtime.desk import Work, question

if TYPE_CHECKING:
    from shared.content.measure import Measure
    from shared.content.prompt import Prompt
    from shared.runtime.desk import Desk

_LEAST_SHARE = 0.2
_SHORT_SHARE = 0.75
_TOLERANCE = 0.25
_FEWEST_SECTIONS = 2


async def write(desk: Desk) -> Work:
    """Ask for the draft, take what is draft of the answer, and check it."""
    prompt = _prompt(desk)
    request = question(desk, prompt.system, prompt.text, stream=True)
    answer = await desk.ask("draft", request, asking=f"Asking {request.model} for the draft")
    return _work(desk, answer.text)


def _prompt(desk: Desk) -> Prompt:
    inputs = {
        "RESEARCH": desk.output(Stage.RESEARCH),
        "SOURCES": listed(desk.sources()),
        "OUTLINE": desk.output(Stage.OUTLINE),
        "PREVIOUS": desk.output(Stage.WRITE) if desk.note else "",
    }
    return compose(desk, Stage.WRITE, inputs, closing="Write the complete article.")


def _work(desk: Desk, answer: str) -> Work:
    planned = title_of(desk.output(Stage.OUTLINE))
    article = titled(document(answer, "draft"), planned, desk.config.topic)
    article, notes = without_notes(without_labels(article))
    wanted = desk.config.word_count
    figures = measured(
        article,
        "draft",
        words=int(wanted * _LEAST_SHARE),
        sections=_FEWEST_SECTIONS,
        answer=answer,
    )
    if figures.word_count < wanted * _SHORT_SHARE and is_cut_off(article):
        raise unusable("the draft stops in the middle of a sentence", answer)
    return Work(
        output=article,
        warnings=_warnings(figures, wanted, notes),
        summary=f"Draft checked: {figures.word_count:,} words in {len(figures.sections)} sections",
    )


def _warnings(figures: Measure, wanted: int, notes: int) -> tuple[str, ...]:
    warnings = []
    if abs(figures.word_count - wanted) > wanted * _TOLERANCE:
        warnings.append(f"The draft has {figures.word_count:,} words; {wanted:,} were asked for")
    if notes:
        warnings.append(f"{notes} notes about pictures were taken out of the draft")
    if figures.placeholders:
        shown = ", ".join(mark[:80] for mark in figures.placeholders[:5])
        warnings.append(f"The draft holds placeholders: {shown}")
    return tuple(warnings)
