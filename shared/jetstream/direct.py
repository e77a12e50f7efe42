"""Reading stored messages without a consumer: the last of each subject, all of a subject, or one.

A lost answer is asked for again, a few times; then `LogUnavailable`. Who reads much at once waits
here, where waiting costs nothing, and not at the server, where it would look like a lost answer.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

from shared.errors import LogUnavailable
from shared.jetstream.messages import item_of
from shared.jetstream.requests import SEQUENCE, STATUS, NoAnswer, NotTaken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from nats.aio.msg import Msg

    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Item

TRIES: Final = 3
TRY_S: Final = 2.0
PORTION: Final = 1000
AT_ONCE: Final = 32
_PENDING: Final = "Nats-Num-Pending"
_NONE, _TOO_MANY, _END = "404", "413", "204"


class TooMany(Exception):
    """More subjects than the server answers for at once."""


class Direct:
    """Direct reads of one stream."""

    def __init__(self, connection: Connection, stream: str) -> None:
        self._connection = connection
        self._places = asyncio.Semaphore(AT_ONCE)
        self._subject = f"$JS.API.DIRECT.GET.{stream}"

    async def latest(self, filters: Sequence[str]) -> list[Item]:
        """The last message of every subject under the filters, in log order. Raises `TooMany`."""
        found, status = await self._series({"multi_last": list(filters)})
        if status == _TOO_MANY:
            raise TooMany
        return found

    async def everything(self, subjects: str) -> AsyncIterator[Item]:
        """Every message under one filter, in log order, also those a later one hides."""
        after, status = 0, _END
        while status == _END:
            asked = {"seq": after + 1, "next_by_subj": subjects, "batch": PORTION}
            found, status = await self._series(asked)
            for item in found:
                yield item
            after = found[-1].seq if found else after

    async def before(self, subject: str, seq: int) -> Item | None:
        """The last message of one subject before a sequence; 0 stands for the log's end."""
        if seq == 1:
            return None
        upto = {"up_to_seq": seq - 1} if seq else {}
        found, _ = await self._series({"multi_last": [subject], **upto})
        return found[0] if found else None

    async def last(self, subjects: str) -> Item | None:
        """The last message under a filter."""
        return await self._one({"last_by_subj": subjects})

    async def at(self, seq: int) -> Item | None:
        """The message at a sequence."""
        return await self._one({"seq": seq})

    async def _one(self, asked: dict[str, Any]) -> Item | None:
        told = json.dumps(asked).encode()
        answer = await self._tried(
            lambda: self._connection.requests.one(self._subject, told, timeout=TRY_S)
        )
        headers = answer.headers or {}
        if SEQUENCE in headers:
            return item_of(answer)
        if headers.get(STATUS) == _NONE:
            return None
        raise LogUnavailable(f"the server refused a read: {_words(answer)}")

    async def _series(self, asked: dict[str, Any]) -> tuple[list[Item], str]:
        told = json.dumps(asked).encode()

        async def whole() -> tuple[list[Msg], Msg]:
            found, end = await self._connection.requests.series(self._subject, told, TRY_S)
            if "multi_last" in asked and _incomplete(found):
                raise NoAnswer("a part of the answer was lost")
            return found, end

        found, end = await self._tried(whole)
        status = (end.headers or {}).get(STATUS, "")
        if status not in (_END, _NONE, _TOO_MANY):
            raise LogUnavailable(f"the server refused a read: {_words(end)}")
        return list(map(item_of, found)), status

    async def _tried[T](self, ask: Callable[[], Awaitable[T]]) -> T:
        """Reading again is harmless: ask until there is an answer, or the tries are used up."""
        for left in reversed(range(TRIES)):
            try:
                async with self._places:
                    return await ask()
            except (NoAnswer, NotTaken):
                if not left:
                    raise
                await self._connection.ready(TRY_S)
        raise AssertionError("unreachable")


def _incomplete(found: Sequence[Msg]) -> bool:
    """The first message says how many follow it."""
    return bool(found) and int((found[0].headers or {})[_PENDING]) + 1 != len(found)


def _words(answer: Msg) -> str:
    headers = answer.headers or {}
    return f"{headers.get(STATUS, '')} {headers.get('Description', '')}".strip() or repr(
        answer.data[:200]
    )
