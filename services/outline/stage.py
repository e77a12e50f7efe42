"""Outline: the plan of the article, with a title, sections, and what each is to say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.content.article import titled, without_labels, without_rules
from shared.content.citations import listed, resolve
from shared.content.prompt import compose
from shared.content.usable import document, measured
from shared.domain.values import Stage
from shared.runtime.desk import Work, question

if TYPE_CHECKING:
    from shared.content.prompt import Prompt
    from shared.runtime.desk import Desk

_FEWEST_WORDS = 60
_FEWEST_SECTIONS = 2


async def outline(desk: Desk) -> Work:
    """Ask for the outline and check that it is one."""
    prompt = _prompt(desk)
    request = question(desk, prompt.system, prompt.text, stream=True)
    answer = await desk.ask("outline", request, asking=f"Asking {request.model} for the outline")
    return _work(desk, answer.text)


def _prompt(desk: Desk) -> Prompt:
    inputs = {
        "RESEARCH": desk.output(Stage.RESEARCH),
        "SOURCES": listed(desk.sources()),
        "PREVIOUS": desk.output(Stage.OUTLINE) if desk.note else "",
    }
    return compose(desk, Stage.OUTLINE, inputs, closing="Write the outline.")


def _work(desk: Desk, answer: str) -> Work:
    found = document(answer, "outline")
    text, _ = without_rules(without_labels(titled(found, desk.config.topic)))
    text, unknown = resolve(text, desk.sources())
    figures = measured(
        text, "outline", words=_FEWEST_WORDS, sections=_FEWEST_SECTIONS, answer=answer
    )
    marks = ", ".join(f"[{number}]" for number in unknown[:20])
    warnings = (f"Citations without a source were taken out: {marks}",) if unknown else ()
    return Work(
        output=text,
        warnings=warnings,
        summary=f"Outline checked: {len(figures.sections)} sections, "
        f"{figures.word_count:,} words of plan",
    )
