"""What an article is by our own count: words, sentences, sections, links, and marks of haste."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.content.article import title_of
from shared.content.links import links
from shared.content.markdown import Heading, headings, parse, plain, rule_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

# A letter of a script without spaces counts as a word of its own.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:['\u2019-]\w+|[.,]\d+)*"
)
_SENTENCE_END = re.compile(r"[.!?…]+[\"'\u201d\u2019)]*(?=\s|$)|[\u3002\uff01\uff1f]")
_PLACEHOLDER = re.compile(
    r"\[(?:insert|your|image|link|todo|tbd|subscribe|download|placeholder|add|cta|click)\b[^\]\n]{0,200}\]"
    r"(?!\()|\bTODO\b|\bTBD\b|lorem ipsum",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """The figures of one text. `words` counts everything a reader reads, headings included."""

    title: str
    words: tuple[str, ...]
    sentences: int
    paragraphs: int
    headings: tuple[Heading, ...]
    urls: tuple[str, ...]
    images: int
    em_dashes: int
    rules: int
    placeholders: tuple[str, ...]

    @property
    def word_count(self) -> int:
        return len(self.words)

    @property
    def sections(self) -> tuple[str, ...]:
        return tuple(heading.text for heading in self.headings if heading.level == 2)

    @property
    def average_sentence(self) -> float:
        """Words per sentence."""
        return round(len(self.words) / max(1, self.sentences), 1)


def measure(markdown: str) -> Measure:
    """The figures of a Markdown text without front matter."""
    passages = tuple(_passages(markdown))
    prose = "\n".join(passages)
    found = links(markdown)
    return Measure(
        title=title_of(markdown),
        words=words_in(prose),
        sentences=sum(_sentences(passage) for passage in passages),
        paragraphs=sum(token.type == "paragraph_open" for token in parse(markdown)),
        headings=headings(markdown),
        urls=tuple(each.url for each in found if not each.picture),
        images=sum(each.picture for each in found),
        em_dashes=prose.count("—"),
        rules=len(rule_lines(markdown)),
        placeholders=tuple(dict.fromkeys(found[0] for found in _PLACEHOLDER.finditer(prose))),
    )


def _passages(markdown: str) -> Iterator[str]:
    """The words of each heading, paragraph, list item and table cell; no code blocks."""
    return (plain(token) for token in parse(markdown) if token.type == "inline")


def prose_of(markdown: str) -> str:
    """What a reader reads, without marks, one passage a line."""
    return "\n".join(_passages(markdown))


def words_in(text: str) -> tuple[str, ...]:
    """The words of plain text."""
    return tuple(_WORD.findall(text))


def _sentences(passage: str) -> int:
    if not _WORD.search(passage):
        return 0
    ends = list(_SENTENCE_END.finditer(passage))
    unfinished = bool(_WORD.search(passage, ends[-1].end() if ends else 0))
    return len(ends) + unfinished


def mentions(text: str, phrase: str) -> int:
    """How often the phrase stands in plain text as whole words; a plural `s` counts as the word."""
    return len(_places(text, phrase))


def _places(text: str, phrase: str) -> list[str]:
    wanted = words_in(phrase.casefold())
    if not wanted:
        return []
    return re.findall(r"\b" + r"\W+".join(map(re.escape, wanted)) + r"s?\b", text.casefold())


def density(measured: Measure, text: str, phrase: str) -> float:
    """The share of all words that belong to the phrase, in per cent."""
    belonging = sum(len(words_in(place)) for place in _places(text, phrase))
    return round(100 * belonging / max(1, measured.word_count), 2)
