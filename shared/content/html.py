"""Markdown becomes HTML that is safe to show: nothing in an article can run in a reader's browser.

CommonMark with tables, raw HTML shown as text, then an allow-list. Links out of the site carry
`rel="nofollow noopener"`.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import nh3
from markdown_it import MarkdownIt

from shared.content.links import host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

_HEADINGS = {f"h{level}" for level in range(1, 7)}
_TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
_TEXT = {"p", "a", "em", "strong", "code", "pre", "blockquote", "ul", "ol", "li", "hr", "br", "img"}
_TAGS = _HEADINGS | _TABLE | _TEXT
_ATTRIBUTES = {
    "a": {"href", "title", "rel"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "th": {"style"},
    "td": {"style"},
    "code": {"class"},
}


def to_html(markdown: str, website: str = "") -> str:
    """The article's HTML, without front matter; links to `website` count as its own."""
    return _safe(_parser().render(markdown, _environment(website)))


def blocks(markdown: str, website: str = "") -> Iterator[Block]:
    """The same, block by block."""
    parser, environment = _parser(), _environment(website)
    for tokens in _blocks(parser.parse(markdown, environment)):
        rendered = parser.renderer.render(tokens, parser.options, environment)
        yield Block(tuple(tokens), _safe(rendered).strip())


class Block(NamedTuple):
    """A block of the text: its parse, and the HTML that is safe to show."""

    tokens: tuple[Token, ...]
    html: str


def render(tokens: Sequence[Token], website: str = "") -> str:
    """The HTML of a part of a block's parse."""
    parser = _parser()
    return _safe(parser.renderer.render(tokens, parser.options, _environment(website))).strip()


def _blocks(tokens: Iterable[Token]) -> Iterator[list[Token]]:
    block: list[Token] = []
    depth = 0
    for token in tokens:
        block.append(token)
        depth += token.nesting
        if depth == 0:
            yield block
            block = []


def _environment(website: str) -> dict[str, str]:
    return {"site": host(website) if website else ""}


def _safe(unsafe: str) -> str:
    return nh3.clean(
        unsafe,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        filter_style_properties={"text-align"},
        link_rel=None,
        url_schemes={"http", "https", "mailto"},
    )


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("link_open", _link_open)
    return parser


def _link_open(
    renderer: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
) -> str:
    target = host(str(tokens[idx].attrGet("href") or "")) if _leads_out(tokens[idx]) else ""
    if target and target != env.get("site"):
        tokens[idx].attrSet("rel", "nofollow noopener")
    return renderer.renderToken(tokens, idx, options, env)


def _leads_out(token: Token) -> bool:
    href = str(token.attrGet("href") or "")
    return "://" in href or href.startswith("//")


def _attribute(tag: str, attribute: str, value: str) -> str | None:
    if (tag, attribute) == ("code", "class"):
        language = value.removeprefix("language-")
        return value if language != value and language.replace("-", "").isalnum() else None
    return value


class HtmlCache:
    """Rendered articles by the digest of their text: what was rendered once is not rendered again.

    Rendering a long article takes tens of milliseconds, so call `render` in a thread.
    """

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._pages: OrderedDict[tuple[bytes, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def render(self, markdown: str, website: str = "") -> str:
        """The same as `to_html`, remembered."""
        key = (hashlib.sha256(markdown.encode("utf-8", "replace")).digest(), website)
        with self._lock:
            if known := self._pages.pop(key, None):
                self._pages[key] = known
                return known
        rendered = to_html(markdown, website)
        with self._lock:
            self._pages[key] = rendered
            while len(self._pages) > self._capacity:
                self._pages.popitem(last=False)
        return rendered
