"""What a Markdown text is made of, by its CommonMark parse and never by guessing at characters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

_REMEMBERED = 8


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading outside lists and quotes; it stands on the lines `start` up to before `end`."""

    level: int
    text: str
    start: int
    end: int


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


@lru_cache(maxsize=_REMEMBERED)
def parse(markdown: str) -> tuple[Token, ...]:
    """The blocks of the text, CommonMark with tables; one text is asked about many times."""
    return tuple(_parser().parse(markdown))


def plain(inline: Token) -> str:
    """The words of a heading or paragraph without their marks; pictures leave nothing."""
    return "".join(_spoken(child) for child in inline.children or [])


def _spoken(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type in ("text", "code_inline") else ""


def headings(markdown: str) -> tuple[Heading, ...]:
    """Every heading in order."""
    return tuple(_headings(parse(markdown)))


def _headings(tokens: tuple[Token, ...]) -> Iterator[Heading]:
    for token, inline in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            text = " ".join(plain(inline).split())
            yield Heading(int(token.tag[1:]), text, token.map[0], token.map[1])


def sections(markdown: str) -> tuple[str, ...]:
    """The texts of the second-level headings."""
    return tuple(heading.text for heading in headings(markdown) if heading.level == 2)


def bare_headings(markdown: str) -> tuple[str, ...]:
    """The headings under which nothing stands, not even a heading of a lower level."""
    found = headings(markdown)
    lines = markdown.split("\n")
    ends = [*((each.start, each.level) for each in found[1:]), (len(lines), 0)]
    return tuple(
        heading.text
        for heading, (end, level) in zip(found, ends, strict=False)
        if level <= heading.level and not any(map(str.strip, lines[heading.end : end]))
    )


def rule_lines(markdown: str) -> tuple[int, ...]:
    """The lines on which a horizontal rule stands between blocks."""
    return tuple(
        token.map[0]
        for token in parse(markdown)
        if token.type == "hr" and token.level == 0 and token.map
    )
