"""Taking a deleted post's words out of the log: by subject and sequence, never more than was named.

A purge leaves gaps in the log's sequences and changes nothing else. Asked again it finds nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from shared.errors import LogUnavailable
from shared.jetstream.rights import STREAM

if TYPE_CHECKING:
    from shared.domain.subjects import PostRef
    from shared.jetstream.connection import Connection

_PURGE: Final = f"$JS.API.STREAM.PURGE.{STREAM}"
_ANSWER_S: Final = 10.0


class JetStreamErasure:
    """An `Erasure`, on a connection of the user `eraser`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def erase(self, ref: PostRef, below: int) -> int:
        before = await self._purged(f"{ref.prefix}.>", seq=below)
        return before + await self._purged(f"{ref.prefix}.log.>")

    async def release(self, subject: str, seq: int) -> int:
        return await self._purged(subject, seq=seq + 1)

    async def _purged(self, subjects: str, **limit: int) -> int:
        asked = json.dumps({"filter": subjects, **limit}).encode()
        answer = await self._connection.requests.one(_PURGE, asked, timeout=_ANSWER_S)
        try:
            told: dict[str, Any] = json.loads(answer.data)
            if not told.get("success"):
                words = told.get("error", {}).get("description", "")
                raise LogUnavailable(f"the server purged nothing: {words}")
            return int(told["purged"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LogUnavailable("the server's answer to a purge makes no sense") from error
