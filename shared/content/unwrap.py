"""A model's answer becomes the document it was asked for: wrappers, chatter and notes peeled off.

Unwrapping an unwrapped document changes nothing. Time is linear: each layer is one pass over the
lines, and an answer of more layers than any honest one has is left as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.content.chatter import without_greeting, without_sign_off
from shared.content.frontmatter import Field, split
from shared.content.text import tidy
from shared.content.wrappers import without_comments, without_fence, without_tool_call

_MOST_LAYERS = 8


@dataclass(frozen=True, slots=True)
class Document:
    """Clean Markdown, and the front matter that stood before it."""

    body: str
    front: dict[str, Field] = field(default_factory=dict)

    def field(self, key: str) -> str:
        """A front matter field as text; empty if it is missing or a list."""
        value = self.front.get(key, "")
        return value if isinstance(value, str) else ""


def unwrap(answer: str) -> Document:
    """The document inside the answer."""
    whole = tidy(answer)
    front: dict[str, Field] = {}
    text = whole
    for _ in range(_MOST_LAYERS):
        fields, inner = split(_peel(text))
        front = fields | front
        if inner == text:
            return Document(text, front)
        text = inner
    return Document(whole)


def _peel(text: str) -> str:
    peels = (without_tool_call, without_fence, without_comments, without_greeting, without_sign_off)
    for peel in peels:
        text = peel(text).strip()
    return text
