"""The wrappers models put around a document: code fences, pretended file writes, hidden notes.

A wrapper counts only where it opens the answer, at most after a sentence of chat; whatever stands
inside an article stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^`]*)$")
_HEADING = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_DOCUMENT_TAGS = frozenset({"", "markdown", "md", "mdx", "text", "txt"})
_TAG = re.compile(r"[ \t]*<((?:[a-z]{2,10}:)?[a-z_]{3,30})(?:[ \t][^<>]{0,300})?>", re.IGNORECASE)
_TOOL_TAG = re.compile(
    r"(?:[a-z]{2,10}:)?(?:file_?write|write_?file|file_?create|create_?file|write_to_file"
    r"|save_(?:to_)?file|write|create|file|function_calls|invoke|parameter|tool_call|tool_use"
    r"|document|artifact|antartifact|article|content|file_text|file_content|markdown|output"
    r"|answer|response|result|draft)",
    re.IGNORECASE,
)
# The other arguments of a pretended call, each on a line of its own.
_ARGUMENT = re.compile(
    r"[ \t]*<(path|file|file_path|filename|file_name|name|title|command|description|overwrite"
    r"|(?:[a-z]{2,10}:)?parameter)(?:[ \t][^<>]{0,200})?>[^<]{0,500}</\1>[ \t]*$",
    re.IGNORECASE,
)
_COMMENT = re.compile(r" {0,3}<!--")
_MOST_FENCES = 2_000
_PREAMBLE_LINES = 12
_PREAMBLE_CHARACTERS = 800


@dataclass(frozen=True, slots=True)
class _Fence:
    mark: str
    tag: str

    def closes(self, opened: _Fence) -> bool:
        longer = len(self.mark) >= len(opened.mark)
        return not self.tag and self.mark[0] == opened.mark[0] and longer


def is_heading(line: str) -> bool:
    return bool(_HEADING.match(line))


def _fence(line: str) -> _Fence | None:
    found = _FENCE.match(line) if line[:4].lstrip(" ")[:1] in ("`", "~") else None
    return _Fence(found[1], found[2].strip()) if found else None


def _opening(lines: list[str], opens: Callable[[str], bool]) -> int | None:
    """The line that opens a wrapper, if nothing but a short preamble stands before it."""
    spent = 0
    for number, line in enumerate(lines[:_PREAMBLE_LINES]):
        if opens(line):
            return number
        spent += len(line)
        if is_heading(line) or line.rstrip() == "---" or spent > _PREAMBLE_CHARACTERS:
            return None
    return None


def without_fence(text: str) -> str:
    """The content of a code fence that holds the whole document, else the text itself."""
    lines = text.split("\n")
    start = _opening(lines, lambda line: _fence(line) is not None)
    opened = _fence(lines[start]) if start is not None else None
    if start is None or opened is None:
        return text
    named = opened.tag.split(" ")[0].lower() in _DOCUMENT_TAGS
    close = _closing(lines, start, opened)
    if close is None:
        return "\n".join(lines[start + 1 :]) if named and opened.tag and not start else text
    inside, after = lines[start + 1 : close], lines[close + 1 :]
    around = [line for line in [*lines[:start], *after] if line.strip()]
    return "\n".join(inside) if _holds_all(inside, around, named=named) else text


def _holds_all(inside: list[str], around: list[str], *, named: bool) -> bool:
    """Whether the fence is the answer and what is around it only a remark about it."""
    if not around:
        return any(line.strip() for line in inside)
    size = sum(map(len, inside))
    if any(map(is_heading, around)) or sum(map(len, around)) > size:
        return False
    return named and (any(map(is_heading, inside)) or inside[0].rstrip() == "---" or size > 400)


def _closing(lines: list[str], start: int, opened: _Fence) -> int | None:
    """The line that closes the outer fence.

    CommonMark would close it at the first bare fence, but models put code blocks inside. So it is
    the last bare one, unless a remark with a tagged code block of its own follows the first.
    """
    later = [(n, found) for n in range(start + 1, len(lines)) if (found := _fence(lines[n]))]
    bare = [n for n, found in later if found.closes(opened)]
    if not bare or len(later) > _MOST_FENCES:
        return None
    first = _unnested(later, opened)
    if first is None or first == bare[-1]:
        return first
    following = next(found for n, found in later if n > first)
    ends_there = bool(following.tag) and not any(map(is_heading, lines[first + 1 :]))
    return first if ends_there else bare[-1]


def _unnested(fences: list[tuple[int, _Fence]], opened: _Fence) -> int | None:
    """The first bare fence that closes no tagged block inside."""
    open_inside: _Fence | None = None
    for number, found in fences:
        if open_inside is not None:
            open_inside = None if found.closes(open_inside) else open_inside
        elif found.tag:
            open_inside = found
        elif found.closes(opened):
            return number
    return None


def without_tool_call(text: str) -> str:
    """The content a pretended file-writing call carries, else the text itself."""
    lines = text.split("\n")
    start = _opening(lines, lambda line: _tool_tag(line) is not None)
    if start is None:
        return text
    tag, rest = _tool_tag(lines[start]) or ("", "")
    content = "\n".join([rest, *lines[start + 1 :]])
    inside, closed, after = content.partition(f"</{tag}>")
    if closed and len(after) > len(inside):
        inside = content.rpartition(f"</{tag}>")[0]
    return _without_arguments(inside) if inside.strip() else text


def _tool_tag(line: str) -> tuple[str, str] | None:
    found = _TAG.match(line)
    if not found or not _TOOL_TAG.fullmatch(found[1]) or _ARGUMENT.match(line):
        return None
    return found[1], line[found.end() :]


def _without_arguments(inside: str) -> str:
    lines = inside.strip().split("\n")
    content = next((n for n, line in enumerate(lines) if not _ARGUMENT.match(line)), len(lines))
    return "\n".join(lines[content:])


def without_comments(text: str) -> str:
    """The text without the HTML comments that begin a line, except in code blocks."""
    if "<!--" not in text:
        return text
    # Only before this line can a comment end, so that no search runs to the end in vain twice.
    last = max((n for n, line in enumerate(text.split("\n")) if "-->" in line), default=-1)
    lines = text.split("\n")
    kept: list[str] = []
    opened: _Fence | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        begins = opened is None and number <= last and _COMMENT.match(line)
        ended = _comment_end(lines, number) if begins else None
        if ended:
            number, line = ended
        if not ended or line:
            kept.append(line)
        opened = _within(opened, line)
        number += 1
    return "\n".join(kept)


def _within(opened: _Fence | None, line: str) -> _Fence | None:
    """The code block the next line stands in."""
    found = _fence(line)
    if found is None:
        return opened
    if opened is None:
        return found
    return None if found.closes(opened) else opened


def _comment_end(lines: list[str], number: int) -> tuple[int, str] | None:
    """The last line of the comment that begins here and what follows it there, if it ends."""
    rest = lines[number].partition("<!--")[2]
    for line in range(number, len(lines)):
        before, ended, after = rest.partition("-->")
        if ended:
            return line, after.strip()
        rest = lines[line + 1] if line + 1 < len(lines) else before
    return None
