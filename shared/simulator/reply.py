"""What is sent back: one piece or a stream of pieces, and what each piece has cost by then."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.domain.values import Usage

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"
PAGE = "text/html; charset=utf-8"
_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes; `tokens` is how many output tokens have been sent with it and before it."""

    data: bytes
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer, ready to be sent.

    `usage` is what the provider bills once all is sent; None when nothing was produced. `outcome`
    is the journal's word for it: answered, refused or error:<status>. `length` is how many chunks
    the text has, for the pace of answers that come in one piece; `failing` is the event that a
    stream ends with when the provider fails in the middle.
    """

    pieces: tuple[Piece, ...]
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = JSON
    usage: Usage | None = None
    outcome: str = "answered"
    length: int = 0
    failing: bytes = b""

    @property
    def streamed(self) -> bool:
        return self.media_type == EVENTS

    @property
    def body(self) -> bytes:
        return b"".join(piece.data for piece in self.pieces)

    def with_body(self, data: bytes) -> Reply:
        """The same answer with other bytes."""
        tokens = self.pieces[-1].tokens if self.pieces else 0
        return replace(self, pieces=(Piece(data, tokens),))

    def billed(self, sent: int) -> Usage | None:
        """The usage after so many pieces: a stream costs what was sent, the rest is paid whole."""
        if self.usage is None or not self.streamed or sent >= len(self.pieces):
            return self.usage
        told = self.pieces[sent - 1].tokens if sent else 0
        bill = self.usage.cost_usd
        return self.usage.model_copy(
            update={
                "tokens_out": told,
                "tokens_thinking": min(self.usage.tokens_thinking, told),
                "cost_usd": bill and bill * told / max(1, self.usage.tokens_out),
            }
        )


class Refusal(Exception):
    """The provider says no before it starts: an HTTP status and a message."""

    def __init__(self, status: int, message: str, arg: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.arg = arg


def encode(value: object) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(data: object, name: str = "") -> bytes:
    """A server-sent event holding JSON, named if the format names its events."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + encode(data) + b"\n\n"


def tokens(text: str) -> int:
    """About how many tokens a text has: four characters each, at least one."""
    return max(1, len(text) // 4)


def chunks(text: str, words: int) -> list[str]:
    """The text in runs of so many words, whitespace kept; nothing for an empty text."""
    found = _WORD.findall(text)
    return ["".join(found[at : at + words]) for at in range(0, len(found), words)]
