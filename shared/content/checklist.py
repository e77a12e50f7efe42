"""The editor's checklist: what an article must be before it is published, each PASS or FAIL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.content.links import host, page, pages, unknown
from shared.content.markdown import bare_headings
from shared.content.measure import Measure, density, measure, mentions, prose_of, words_in
from shared.content.readability import flesch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.values import PostConfig, Source

PLAIN_ENGLISH = 60.0
_LENGTH_TOLERANCE = 0.15
_OUTSIDE_LINKS = 3
_LONG_SENTENCE = 20.0
_FEWEST_SECTIONS = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One point of the list; `action` says what to do where it is not met."""

    name: str
    passed: bool
    action: str


@dataclass(frozen=True, slots=True)
class Review:
    """An article measured and checked."""

    measured: Measure
    flesch: float | None
    densities: dict[str, float]
    checks: tuple[Check, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)


def known_pages(config: PostConfig, sources: Iterable[Source]) -> frozenset[str]:
    """The pages an article may link to: its sources and what the user named."""
    cited = {page(source.url) for source in sources} - {""}
    own = page(config.website_url if "://" in config.website_url else f"//{config.website_url}")
    site = {own or host(config.website_url)} - {""}
    return pages(config.additional_info, config.required_mentions) | cited | site


def primary_keyword(config: PostConfig) -> str:
    """The keyword the article is built around, empty if the user named none."""
    return next((word.strip() for word in config.related_keywords if word.strip()), "")


def review(markdown: str, config: PostConfig, sources: tuple[Source, ...]) -> Review:
    """Everything the editor wants to know about this text."""
    measured = measure(markdown)
    prose = prose_of(markdown)
    ease = flesch(measured.words, measured.sentences)
    known = known_pages(config, sources)
    checks = (
        *_keyword_checks(measured, prose, primary_keyword(config)),
        *_style_checks(measured, ease, config, bare_headings(markdown)),
        *_word_checks(prose, config),
        *_link_checks(measured, markdown, known, sources),
    )
    densities = {word: density(measured, prose, word) for word in config.related_keywords[:20]}
    return Review(measured, ease, densities, checks)


def _keyword_checks(measured: Measure, prose: str, keyword: str) -> tuple[Check, ...]:
    if not keyword:
        return ()
    opening = " ".join(words_in(prose.removeprefix(measured.title))[:100])
    in_section = any(mentions(text, keyword) for text in measured.sections)
    return (
        Check(
            "keyword in the title",
            mentions(measured.title, keyword) > 0,
            f"work {keyword!r} into the title",
        ),
        Check(
            "keyword in the first 100 words",
            mentions(opening, keyword) > 0,
            f"use {keyword!r} within the first 100 words",
        ),
        Check("keyword in an H2", in_section, f"use {keyword!r} in an H2 where it reads naturally"),
    )


def _style_checks(
    measured: Measure, ease: float | None, config: PostConfig, bare: tuple[str, ...]
) -> tuple[Check, ...]:
    off = abs(measured.word_count - config.word_count)
    sections = len(measured.sections)
    return (
        Check("a title", bool(measured.title), "begin with one line `# Title`"),
        Check(
            "three sections or more",
            sections >= _FEWEST_SECTIONS,
            f"it has {sections} H2 sections; give every main point one",
        ),
        Check(
            "length",
            off <= config.word_count * _LENGTH_TOLERANCE,
            f"it has {measured.word_count:,} words; {config.word_count:,} were asked for",
        ),
        Check(
            "readability",
            ease is None or ease >= PLAIN_ENGLISH,
            f"Flesch is {ease}, 60 to 70 is wanted: shorter sentences, simpler words",
        ),
        Check(
            "sentence length",
            measured.average_sentence <= _LONG_SENTENCE,
            f"sentences average {measured.average_sentence} words; bring them below 20",
        ),
        *_clean_checks(measured, bare),
    )


def _clean_checks(measured: Measure, bare: tuple[str, ...]) -> tuple[Check, ...]:
    return (
        Check(
            "no em dashes",
            not measured.em_dashes,
            f"rewrite the {measured.em_dashes} sentences with em dashes",
        ),
        Check(
            "no rules between sections",
            not measured.rules,
            f"take out {measured.rules} horizontal rules",
        ),
        Check(
            "no empty sections",
            not bare,
            "write or take out what has a heading and no text: " + ", ".join(bare[:5]),
        ),
        Check(
            "no placeholders",
            not measured.placeholders,
            "write out or take out " + ", ".join(measured.placeholders[:5]),
        ),
    )


def _word_checks(prose: str, config: PostConfig) -> tuple[Check, ...]:
    """The words the user wants kept out; a whole sentence of instruction is the model's to read."""
    listed = [word.strip() for word in re.split(r"[,;\n]", config.avoid)]
    avoided = [word for word in listed if 0 < len(words_in(word)) <= 3 and mentions(prose, word)]
    action = "take out " + ", ".join(repr(word) for word in avoided[:10])
    return (Check("no words to avoid", not avoided, action),) if config.avoid else ()


def _link_checks(
    measured: Measure, markdown: str, known: frozenset[str], sources: tuple[Source, ...]
) -> tuple[Check, ...]:
    cited = {page(source.url) for source in sources} - {""}
    outside = {page(url) for url in measured.urls} & cited
    wanted = min(_OUTSIDE_LINKS, len(cited))
    strangers = list(dict.fromkeys(each.url[:200] for each in unknown(markdown, known)))
    return (
        Check(
            "links to sources",
            len(outside) >= wanted,
            f"it links {len(outside)} of the sources; link {wanted} or more where they are used",
        ),
        Check(
            "only known links",
            not strangers,
            "these addresses are not among the sources: " + ", ".join(strangers[:10]),
        ),
    )


def report(reviewed: Review) -> str:
    """The review as text for an editor: figures, the list, and what is to be done."""
    measured = reviewed.measured
    figures = [
        f"Words: {measured.word_count:,}",
        f"Sections: {len(measured.sections)}",
        f"Words per sentence: {measured.average_sentence}",
        f"Flesch reading ease: {reviewed.flesch if reviewed.flesch is not None else 'unknown'}",
        *(f"Density of {word!r}: {share} %" for word, share in reviewed.densities.items()),
    ]
    points = [f"{'PASS' if each.passed else 'FAIL'} {each.name}" for each in reviewed.checks]
    actions = [f"{n}. {each.action}" for n, each in enumerate(reviewed.failed, start=1)]
    todo = ["To do:", *actions] if actions else ["To do: nothing; polish only."]
    return "\n".join([*figures, "", *points, "", *todo])
