"""An article as WordPress blocks: what a person wrote is content, and only we write delimiters.

Every block is sanitised HTML between comments of its kind; a text that looks like such a comment,
or like a shortcode, is shown and never obeyed. What fits no block of WordPress is an HTML block.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from shared.content.html import Block, blocks, render
from shared.content.markdown import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it.token import Token

_USUAL_LEVEL = 2
_ALIGNED = re.compile(r'<(t[hd]) style="text-align: ?(left|center|right);?">')
_LANGUAGE = re.compile(r'<code class="[^"]*">')


def gutenberg(markdown: str, title: str, website: str = "") -> str:
    """The article's blocks. A first heading that repeats the title is left to the theme."""
    found = list(blocks(markdown, website))
    if found and _repeats(found[0], title):
        del found[0]
    return "".join(_block(each, website) + "\n\n" for each in found)


def _repeats(first: Block, title: str) -> bool:
    opening = first.tokens[0]
    return (
        opening.type == "heading_open"
        and opening.tag == "h1"
        and " ".join(plain(first.tokens[1]).split()) == " ".join(title.split())
    )


def _block(block: Block, website: str) -> str:
    match block.tokens[0].type:
        case "heading_open":
            return _heading(block)
        case "paragraph_open":
            return _image(block) or _delimited("paragraph", _inert(block.html))
        case "bullet_list_open" | "ordered_list_open":
            listed = _list(block.tokens, website)
            return listed or _delimited("html", _inert(block.html))
        case "blockquote_open":
            return _quote(block, website)
        case "fence" | "code_block":
            return _code(block)
        case "table_open":
            return _table(block)
        case "hr":
            line = '<hr class="wp-block-separator has-alpha-channel-opacity"/>'
            return _delimited("separator", line)
        case _:
            return _delimited("html", _inert(block.html))


def _delimited(kind: str, html: str, **attributes: object) -> str:
    said = json.dumps(attributes, separators=(",", ":")) + " " if attributes else ""
    return f"<!-- wp:{kind} {said}-->\n{html}\n<!-- /wp:{kind} -->"


def _inert(html: str) -> str:
    """Without anything that WordPress reads as its own: block delimiters and shortcodes."""
    return html.replace("<!--", "&lt;!--").replace("[", "&#91;")


def _heading(block: Block) -> str:
    level = int(block.tokens[0].tag[1:])
    html = _inert(block.html).replace(f"<h{level}>", f'<h{level} class="wp-block-heading">', 1)
    if level == _USUAL_LEVEL:
        return _delimited("heading", html)
    return _delimited("heading", html, level=level)


def _image(block: Block) -> str:
    """A picture that stands alone; empty for every other paragraph."""
    children = block.tokens[1].children or []
    if [child.type for child in children] != ["image"] or "<img" not in block.html:
        return ""
    picture = _inert(block.html).removeprefix("<p>").removesuffix("</p>")
    picture = picture.removesuffix(">").removesuffix("/").rstrip() + "/>"
    return _delimited("image", f'<figure class="wp-block-image">{picture}</figure>')


def _quote(block: Block, website: str) -> str:
    inner = "".join(_block(each, website) for each in _within(block.tokens, website))
    return _delimited("quote", f'<blockquote class="wp-block-quote">{inner}</blockquote>')


def _within(tokens: Sequence[Token], website: str) -> list[Block]:
    """The blocks that stand in this one."""
    inner: list[Token] = []
    found: list[Block] = []
    depth = 0
    for token in tokens[1:-1]:
        inner.append(token)
        depth += token.nesting
        if depth == 0:
            found.append(Block(tuple(inner), render(inner, website)))
            inner = []
    return found


def _code(block: Block) -> str:
    html = _LANGUAGE.sub("<code>", _inert(block.html), count=1)
    return _delimited("code", html.replace("<pre>", '<pre class="wp-block-code">', 1))


def _table(block: Block) -> str:
    table = _ALIGNED.sub(r'<\1 class="has-text-align-\2" data-align="\2">', _inert(block.html))
    figure = f'<figure class="wp-block-table">{table}</figure>'
    return _delimited("table", figure, hasFixedLayout=False)


def _list(tokens: Sequence[Token], website: str) -> str:
    """A list of plain items and lists; empty when an item holds what no list item can."""
    items = [_item(each.tokens, website) for each in _within(tokens, website)]
    if not all(items):
        return ""
    inner, tag = "".join(items), tokens[0].tag
    attributes: dict[str, object] = {"ordered": True} if tag == "ol" else {}
    start = tokens[0].attrGet("start")
    if start is not None:
        attributes["start"] = int(start)
    opening = f"<{tag}{f' start="{int(start)}"' if start is not None else ''}"
    html = f'{opening} class="wp-block-list">{inner}</{tag}>'
    return _delimited("list", html, **attributes)


def _item(tokens: Sequence[Token], website: str) -> str:
    """One item: a paragraph, then lists; empty for anything else."""
    said, *nested = _within(tokens, website) or [Block((), "")]
    if not said.tokens or said.tokens[0].type != "paragraph_open":
        return ""
    below = [_below(each, website) for each in nested]
    if not all(below):
        return ""
    text = _inert(said.html).removeprefix("<p>").removesuffix("</p>")
    return _delimited("list-item", f"<li>{text}{''.join(below)}</li>")


def _below(block: Block, website: str) -> str:
    if block.tokens[0].type not in ("bullet_list_open", "ordered_list_open"):
        return ""
    return _list(block.tokens, website)
