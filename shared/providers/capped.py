"""A body larger than its cap is never read to its end, and a packed one is not read at all.

The cap counts bytes on the wire. That is honest only for a body that is not compressed: so every
request asks for `identity`, and an answer packed all the same is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Mapping

IDENTITY = {"accept-encoding": "identity"}


class BodyTooLarge(Exception):
    """The answer is longer than we are willing to read."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the answer is longer than {limit:,} bytes")


class BodyUnreadable(Exception):
    """The answer is packed although we asked for it plain."""

    def __init__(self, encoding: str) -> None:
        super().__init__(f"the answer came in content-encoding {encoding[:40]!r}, never asked for")


def refuse_packed(headers: Mapping[str, str]) -> None:
    """Raise `BodyUnreadable` unless the body is plain."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        raise BodyUnreadable(encoding)


async def capped(parts: AsyncIterable[bytes], limit: int) -> AsyncIterator[bytes]:
    """The parts as they come, until they are more than `limit` bytes: then `BodyTooLarge`."""
    seen = 0
    async for part in parts:
        seen += len(part)
        if seen > limit:
            raise BodyTooLarge(limit)
        yield part
