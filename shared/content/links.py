"""Links in an article lead only where its sources lead; others become plain words again.

Links are found by the CommonMark parser itself, so that code, escapes and odd nesting are read as
every renderer reads them. Addresses a parser would refuse (`javascript:`) are found as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from markdown_it import MarkdownIt
from markdown_it.helpers import parseLinkLabel
from markdown_it.rules_inline import autolink, image, link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from markdown_it.rules_inline import StateInline

_MOST_ROUNDS = 5
_REMEMBERED = 8
_URL = re.compile(r"https?://[^\s<>\"'()\[\]]+")


@dataclass(frozen=True, slots=True)
class Link:
    """A link or picture: its source text, the words of it that stay without it, where it leads."""

    raw: str
    words: str
    url: str
    picture: bool = False


@lru_cache(maxsize=_REMEMBERED)
def links(markdown: str) -> tuple[Link, ...]:
    """Every link and picture of the text, in order."""
    found: list[Link] = []
    _parser().parse(markdown, {"found": found})
    return tuple(found)


@cache
def _parser() -> MarkdownIt:
    parser = _AnyAddress("commonmark", {"html": False}).enable("table")
    for name, rule in (("link", link), ("image", image), ("autolink", autolink)):
        parser.inline.ruler.at(name, _recorded(rule, name))
    return parser


class _AnyAddress(MarkdownIt):
    """A parser that takes every address for a link, as a careless renderer might."""

    def validateLink(self, url: str) -> bool:  # noqa: N802, ARG002
        return True


def _recorded(
    rule: Callable[[StateInline, bool], bool], name: str
) -> Callable[[StateInline, bool], bool]:
    """The parser's own rule, which also notes what it took."""

    def recording(state: StateInline, silent: bool) -> bool:
        start, tokens = state.pos, len(state.tokens)
        matched = rule(state, silent)
        if matched and not silent and "found" in state.env:
            state.env["found"].append(_link(state, start, tokens, name))
        return matched

    return recording


def _link(state: StateInline, start: int, tokens: int, name: str) -> Link:
    raw = state.src[start : state.pos]
    opened = next(token for token in state.tokens[tokens:] if token.type in ("link_open", "image"))
    url = str(opened.attrGet("src" if name == "image" else "href") or "")
    if name == "autolink":
        return Link(raw, raw[1:-1], url)
    label = start + (1 if name == "image" else 0)
    end = parseLinkLabel(state, label, disableNested=name == "link")
    return Link(raw, state.src[label + 1 : end], url, picture=name == "image")


def vouched(markdown: str, known: frozenset[str]) -> tuple[str, tuple[Link, ...]]:
    """The text without links to unknown pages, and what was taken out.

    Taking one out may uncover another, as with a picture that is itself a link.
    """
    removed: list[Link] = []
    for _ in range(_MOST_ROUNDS):
        strangers = unknown(markdown, known)
        if not strangers:
            break
        removed += strangers
        markdown = unlinked(markdown, strangers)
    return markdown, tuple(removed)


def unlinked(markdown: str, unwanted: Iterable[Link]) -> str:
    """The text with these links as their plain words and these pictures gone."""
    for found in dict.fromkeys(unwanted):
        markdown = _pattern(found.raw).sub(partial(_words, found), markdown)
    return markdown


def _pattern(raw: str) -> re.Pattern[str]:
    """The link's source text; a quote's or list's marks may stand before its next line."""
    lines = [re.escape(line.lstrip()) for line in raw.split("\n")]
    return re.compile(r"(\n[ \t>]{0,40})".join(lines))


def _words(link: Link, found: re.Match[str]) -> str:
    """The words of the link with the line breaks they had."""
    if link.picture:
        return ""
    first, *others = link.words.split("\n")
    return first + "".join(
        mark + line.lstrip() for mark, line in zip(found.groups(), others, strict=False)
    )


def page(url: str) -> str:
    """An address less scheme, `www.`, fragment, tracking and final slash: what names the page."""
    try:
        parts = urlsplit(url.strip())
        host = (parts.hostname or "").removeprefix("www.")
        port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    except ValueError:
        return ""
    if parts.scheme.lower() not in ("http", "https") or not host:
        return ""
    asked = parse_qsl(parts.query, keep_blank_values=True)
    kept = urlencode([(key, value) for key, value in asked if not key.lower().startswith("utm_")])
    return f"{host}{port}{unquote(parts.path).rstrip('/')}" + (f"?{kept}" if kept else "")


def pages(*texts: str) -> frozenset[str]:
    """The pages of all addresses written in these texts."""
    found = (url.rstrip(".,;:!?") for text in texts for url in _URL.findall(text))
    return frozenset(known for url in found if (known := page(url)))


def host(url: str) -> str:
    """The site an address belongs to, empty if it names none."""
    return page(url if "://" in url else f"https://{url.lstrip('/')}").split("/")[0].split("?")[0]


def unknown(markdown: str, known: frozenset[str]) -> tuple[Link, ...]:
    """The links that lead to no known page; a link within the article itself is none of them."""
    return tuple(_unknown(links(markdown), known))


def _unknown(found: Iterable[Link], known: frozenset[str]) -> Iterator[Link]:
    for each in found:
        inside = each.url.startswith("#") and not each.picture
        if not inside and (each.picture or page(each.url) not in known):
            yield each
