"""The shape every article has in Galley: one leading `# Title`, and no other heading of that level.

Repairs are line by line and touch only the lines they name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.content.markdown import Heading, headings, rule_lines
from shared.content.text import clip

if TYPE_CHECKING:
    from shared.content.unwrap import Document

_LABEL = re.compile(r"^( {0,3}#{1,6}[ \t]+)(?:\*\*)?H[1-6]\s*[:.)-]\s*(?:\*\*)?", re.MULTILINE)
_PREFIX = re.compile(
    r"^(?:blog post |article |content )?(?:outline|draft|title)\s*[:\u2013\u2014-]\s*",
    re.IGNORECASE,
)
_NOTE_LINE = re.compile(
    r"^[ \t]*(?:[-*+][ \t]+|\d{1,2}[.)][ \t]+)?\*{0,2}\[(?:image|picture|photo|illustration"
    r"|screenshot|figure|infographic|chart|diagram|video|insert|todo|tbd)\b"
    r"[^\]\n]{0,600}\]\*{0,2}[ \t]*$",
    re.IGNORECASE,
)
_TITLE = 200


def title_of(markdown: str) -> str:
    """The text of the first top-level heading, empty if there is none."""
    return next((h.text for h in headings(markdown) if h.level == 1), "")


def titled(document: Document, *otherwise: str) -> str:
    """The document with exactly one `# Title` on its first line.

    The title is the document's own, else its front matter's, else the first of `otherwise` that is
    not empty. Further top-level headings become second-level ones.
    """
    found = headings(document.body)
    own = next((h for h in found if h.level <= 2), None)
    title = own.text if own and own.level == 1 else ""
    candidates = (title, document.field("title"), *otherwise)
    chosen = next((clean for text in candidates if (clean := _clean(text))), "Untitled")
    taken = own if title else None
    rest = _demoted(document.body, [h for h in found if h is not taken], taken)
    return f"# {chosen}\n\n{_without_repeat(rest, chosen)}".rstrip() + "\n"


def _clean(title: str) -> str:
    return _PREFIX.sub("", clip(title, _TITLE)).strip()


def _demoted(body: str, found: list[Heading], taken: Heading | None) -> str:
    """The body without the heading `taken`, every other first-level heading one level lower."""
    lines = body.split("\n")
    for heading in found:
        if heading.level == 1:
            _demote(lines, heading)
    if taken:
        del lines[taken.start : taken.end]
    return "\n".join(lines).strip()


def _demote(lines: list[str], heading: Heading) -> None:
    last = heading.end - 1
    if last > heading.start:
        lines[last] = lines[last].replace("=", "-")
    else:
        lines[last] = lines[last].replace("#", "##", 1)


def _without_repeat(body: str, title: str) -> str:
    """The body without a first heading that merely says the title again."""
    first = next(iter(headings(body)), None)
    if first is None or first.start > 0 or normal(first.text) != normal(title):
        return body
    return "\n".join(body.split("\n")[first.end :]).lstrip()


def normal(text: str) -> str:
    """A heading as one would compare it: letters and digits, lower case."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def without_rules(markdown: str) -> tuple[str, int]:
    """The text without horizontal rules between its blocks, and how many there were."""
    rules = rule_lines(markdown)
    gone = set(rules)
    kept = [line for number, line in enumerate(markdown.split("\n")) if number not in gone]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)) if rules else markdown, len(rules)


def without_labels(markdown: str) -> str:
    """The text with headings like `## H2: Costs` reduced to `## Costs`."""
    return _LABEL.sub(r"\1", markdown)


def without_notes(markdown: str) -> tuple[str, int]:
    """The text without lines that only say where a picture should go, and how many there were."""
    lines = markdown.split("\n")
    kept = [line for line in lines if not _NOTE_LINE.match(line)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)) if len(kept) < len(lines) else markdown, (
        len(lines) - len(kept)
    )
