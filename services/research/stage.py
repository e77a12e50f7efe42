"""Research: a document on the topic whose every mark points at a source the search has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.content.citations import cited, resolve
from shared.content.measure import Measure, measure
from shared.content.prompt import Prompt, compose
from shared.content.refusal import refuses
from shared.content.unwrap import unwrap
from shared.content.usable import LONGEST, size_of, unusable
from shared.domain.values import Stage
from shared.runtime.desk import Work, question

if TYPE_CHECKING:
    from shared.providers.port import Answer
    from shared.runtime.desk import Desk

_FEWEST_WORDS = 150
_FEWEST_PARTS = 2
# What later stages build on, each by the words its heading may use.
_PARTS = {
    "keywords": ("keyword", "search intent"),
    "readers": ("audience", "reader"),
    "questions": ("question", "problem", "pain", "challenge"),
    "facts": ("fact", "figure", "statistic", "evidence", "finding", "data", "competi"),
}
_AGAIN = """\
Your last answer could not be used: {reason}. Search the web and write the research document itself,
in Markdown, with every section the rules name and a mark like [1] after each fact. Do not explain,
do not ask, do not decline: if the search finds little on a point, say so in its section."""


@dataclass(frozen=True, slots=True)
class _Found:
    answer: Answer
    text: str
    unknown: tuple[int, ...]
    figures: Measure
    fault: str


async def research(desk: Desk) -> Work:
    """Ask once; if the answer is no research document, ask once more and say why."""
    found = _read(await _ask(desk, "research", _prompt(desk, "")))
    if found.fault:
        await desk.say(f"The research could not be used: {found.fault}", level="warning")
        found = _read(await _ask(desk, "research-again", _prompt(desk, found.fault)))
    if found.fault:
        raise unusable(f"no usable research: {found.fault}", found.answer.text)
    return _work(found)


def _prompt(desk: Desk, fault: str) -> Prompt:
    inputs = {"PREVIOUS": desk.output(Stage.RESEARCH) if desk.note else ""}
    closing = _AGAIN.format(reason=fault) if fault else "Write the research document."
    return compose(desk, Stage.RESEARCH, inputs, closing=closing)


async def _ask(desk: Desk, key: str, prompt: Prompt) -> Answer:
    request = question(desk, prompt.system, prompt.text, search=True)
    return await desk.ask(key, request, asking=f"Asking {request.model} for the research")


def _read(answer: Answer) -> _Found:
    body = unwrap(answer.text[:LONGEST]).body
    text, unknown = resolve(body, answer.sources)
    figures = measure(text)
    return _Found(answer, text, unknown, figures, _fault(answer.text, figures))


def _fault(answer: str, figures: Measure) -> str:
    """Why this is no research document, empty if it is one."""
    headings = [heading.text.casefold() for heading in figures.headings]
    parts = [name for name, words in _PARTS.items() if _names(headings, words)]
    if len(parts) < _FEWEST_PARTS and refuses(answer):
        return "the model declined"
    if (size := size_of(answer)) > LONGEST:
        return f"it has {size:,} bytes"
    if figures.word_count < _FEWEST_WORDS:
        return f"it has only {figures.word_count} words"
    if len(parts) < _FEWEST_PARTS:
        missing = ", ".join(name for name in _PARTS if name not in parts)
        return f"it lacks the sections on {missing}"
    return ""


def _names(headings: list[str], words: tuple[str, ...]) -> bool:
    return any(word in heading for heading in headings for word in words)


def _work(found: _Found) -> Work:
    sources = found.answer.sources
    used = len(cited(found.text))
    return Work(
        output=found.text + "\n",
        sources=sources,
        warnings=_warnings(found),
        summary=f"Research checked: {found.figures.word_count:,} words, "
        f"{used} of {len(sources)} sources cited",
    )


def _warnings(found: _Found) -> tuple[str, ...]:
    warnings = []
    if not found.answer.sources:
        warnings.append("The search named no sources: nothing in this research can be checked")
    if found.unknown:
        marks = ", ".join(f"[{number}]" for number in found.unknown[:20])
        warnings.append(f"Citations without a source were taken out: {marks}")
    return tuple(warnings)
