"""What a paid call is to the rest of Galley: a request, an answer, or one of two failures.

Adapters (claude, gemini, perplexity) turn every outside error into `Transient` or `Permanent`
(see `shared/errors.py`); nobody else reads a status code. An adapter makes exactly one HTTP
request per `call` (no retries of its own), and ends it when the awaiting task is cancelled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.domain.values import Provider, Source, Usage

type OnText = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to one model. Equal requests have equal digests, in every process, for ever.

    `max_tokens` caps the output (0: the provider's own limit). `schema` asks for JSON of that
    shape. `stream` lets the text arrive piece by piece through `on_text`. `ratio` ("16:9") and
    `size` ("1K", "2K") belong to pictures, `search` forces a web search.
    """

    provider: Provider
    model: str
    prompt: str
    system: str = ""
    max_tokens: int = 0
    effort: Literal["low", "medium", "high"] | None = None
    schema: dict[str, Any] | None = None
    stream: bool = False
    search: bool = False
    ratio: str = ""
    size: str = ""

    def digest(self) -> str:
        """SHA-256 over everything that is sent, as hex."""
        told = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Image bytes as the provider sent them, not yet decoded."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole, usable answer. Cut-off, refused and empty answers are failures, not answers."""

    text: str
    usage: Usage
    request_id: str = ""
    sources: tuple[Source, ...] = ()
    pictures: tuple[Picture, ...] = field(default=())


class Model(Protocol):
    """A provider's adapter."""

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:
        """Ask once. Raises `Transient` or `Permanent`; nothing else but cancellation.

        `on_text` is awaited with each piece of a streamed text, in order.
        """
        ...
