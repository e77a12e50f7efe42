"""Edit: the article as it could be published, with no link or picture that nobody vouches for.

The output is Markdown whose first line is `# Title`, without front matter, notes or horizontal
rules. Links to pages that are neither among the sources nor named by the user become plain words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.content.article import (
    title_of,
    titled,
    without_labels,
    without_notes,
    without_rules,
)
from shared.content.checklist import Review, known_pages, report, review
from shared.content.citations import listed
from shared.content.endings import is_cut_off
from shared.content.links import Link, vouched
from shared.content.measure import measure
from shared.content.prompt import compose
from shared.content.usable import document, measured, unusable
from shared.domain.values import Stage
from shared.runtime.desk import Work, question

if TYPE_CHECKING:
    from shared.content.prompt import Prompt
    from shared.runtime.desk import Desk

_KEPT_SHARE = 0.5
_FEWEST_SECTIONS = 2
_HARD_TO_READ = 55.0
_TOLERANCE = 0.25
# These have a warning of their own, with figures.
_TOLD_APART = frozenset({"length", "readability", "no em dashes", "only known links"})


async def edit(desk: Desk) -> Work:
    """Have the draft edited against its checklist, then check the result by our own measure."""
    prompt = _prompt(desk)
    request = question(desk, prompt.system, prompt.text, stream=True)
    answer = await desk.ask("edit", request, asking=f"Asking {request.model} for the edit")
    return _work(desk, answer.text)


def _prompt(desk: Desk) -> Prompt:
    draft, sources = desk.output(Stage.WRITE), desk.sources()
    inputs = {
        "RESEARCH": desk.output(Stage.RESEARCH),
        "SOURCES": listed(sources),
        "DRAFT": draft,
        "CHECKS": report(review(draft, desk.config, sources)),
        "PREVIOUS": desk.output(Stage.EDIT) if desk.note else "",
    }
    return compose(desk, Stage.EDIT, inputs, closing="Write the complete edited article.")


def _work(desk: Desk, answer: str) -> Work:
    draft = desk.output(Stage.WRITE)
    found = document(answer, "edited article")
    article = titled(found, title_of(draft), desk.config.topic)
    article, removed = _cleaned(article, desk)
    _check(article, draft, answer)
    reviewed = review(article, desk.config, desk.sources())
    figures = reviewed.measured
    return Work(
        output=article,
        warnings=(*removed, *_warnings(reviewed, desk.config.word_count)),
        summary=f"Edit checked: {figures.word_count:,} words in {len(figures.sections)} sections, "
        f"{len(reviewed.checks) - len(reviewed.failed)} of {len(reviewed.checks)} checks passed",
    )


def _cleaned(article: str, desk: Desk) -> tuple[str, tuple[str, ...]]:
    """The article without what cannot be published, and a line on each thing taken out."""
    article, notes = without_notes(without_labels(article))
    article, rules = without_rules(article)
    article, strangers = vouched(article, known_pages(desk.config, desk.sources()))
    warnings = []
    if notes:
        warnings.append(f"{notes} notes about pictures were taken out")
    if rules:
        warnings.append(f"{rules} horizontal rules between sections were taken out")
    return article.rstrip() + "\n", (*warnings, *_link_warnings(strangers))


def _link_warnings(strangers: tuple[Link, ...]) -> tuple[str, ...]:
    warnings = []
    for kind, picture in (("links to pages nobody named", False), ("pictures not ours", True)):
        urls = list(dict.fromkeys(each.url[:200] for each in strangers if each.picture is picture))
        if urls:
            more = f" and {len(urls) - 10} more" if len(urls) > 10 else ""
            warnings.append(f"{len(urls)} {kind} were taken out: {', '.join(urls[:10])}{more}")
    return tuple(warnings)


def _check(article: str, draft: str, answer: str) -> None:
    """Refuse an edit that lost the article: too short beside the draft, or broken off."""
    before = measure(draft).word_count
    least = int(before * _KEPT_SHARE)
    figures = measured(
        article, "edited article", words=least, sections=_FEWEST_SECTIONS, answer=answer
    )
    if figures.word_count < before * 0.9 and is_cut_off(article):
        raise unusable("the edited article stops in the middle of a sentence", answer)


def _warnings(reviewed: Review, wanted: int) -> tuple[str, ...]:
    figures, warnings = reviewed.measured, []
    if figures.em_dashes:
        warnings.append(f"{figures.em_dashes} em dashes are left")
    if reviewed.flesch is not None and reviewed.flesch < _HARD_TO_READ:
        warnings.append(f"Hard to read: Flesch {reviewed.flesch}, 60 to 70 is wanted")
    if abs(figures.word_count - wanted) > wanted * _TOLERANCE:
        warnings.append(f"It has {figures.word_count:,} words; {wanted:,} were asked for")
    failed = [check.name for check in reviewed.failed if check.name not in _TOLD_APART]
    if failed:
        warnings.append(f"Checks still not met: {', '.join(failed)}")
    return tuple(warnings)
