"""Research marks like [3] point at its sources: marks without a source are taken out and named."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.values import Source

# Not `[3](url)`, `[3]: url` or `![3]`; [3, 4] and [3-5] are what models write for several.
_MARK = re.compile(r"(?<!!)\[(\d{1,3}(?:\s{0,2}[,\u2013-]\s{0,2}\d{1,3}){0,20})\](?![(:])")
_SNIPPET = 240


def resolve(text: str, sources: Iterable[Source]) -> tuple[str, tuple[int, ...]]:
    """The text with only the marks that have a source, and the numbers taken out."""
    known = {source.number for source in sources}
    unknown: set[int] = set()

    def checked(found: re.Match[str]) -> str:
        numbers = _numbers(found[1])
        unknown.update(number for number in numbers if number not in known)
        return "".join(f"[{number}]" for number in numbers if number in known)

    return _MARK.sub(checked, text), tuple(sorted(unknown))


def _numbers(inside: str) -> list[int]:
    """The numbers of one mark, ranges written out, each once."""
    numbers: list[int] = []
    for part in inside.split(","):
        ends = [int(end) for end in re.split(r"[\u2013-]", part)]
        numbers += range(ends[0], min(ends[-1], ends[0] + 50) + 1) if len(ends) > 1 else ends
    return list(dict.fromkeys(numbers))


def cited(text: str) -> frozenset[int]:
    """The numbers the text cites."""
    return frozenset(n for found in _MARK.finditer(text) for n in _numbers(found[1]))


def listed(sources: Iterable[Source]) -> str:
    """The sources as lines for a prompt: number, title, date, address, and what the page says."""
    return "\n".join(_line(source) for source in sources)


def _line(source: Source) -> str:
    dated = f" ({source.date})" if source.date else ""
    snippet = " ".join(source.snippet.split())[:_SNIPPET]
    title = " ".join(source.title.split())[:200]
    said = f"\n    {snippet}" if snippet else ""
    return f"[{source.number}] {title}{dated} {source.url}{said}"
