"""Lone progress lines: stored once each, and never a reason for anything else to fail."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import TYPE_CHECKING, Final

import structlog

from shared.domain.events import Progressed
from shared.domain.subjects import subject_of
from shared.errors import LogUnavailable, TooLarge
from shared.jetstream.messages import MESSAGE_ID, sealed

if TYPE_CHECKING:
    from shared.domain.events import Fact
    from shared.domain.subjects import PostRef
    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Message

log = structlog.get_logger(__name__)

AT_ONCE: Final = 256
TRIES: Final = 3
ANSWER_S: Final = 2.0


class Lines:
    """Stores lines outside any batch; the server drops repeats of a run's line for two minutes."""

    def __init__(self, connection: Connection, producer: str) -> None:
        self._connection = connection
        self._producer = producer
        self._places = asyncio.Semaphore(AT_ONCE)

    async def say(self, ref: PostRef, line: Fact, trace: str) -> None:
        if not isinstance(line, Progressed):
            raise TypeError(f"only progress lines are said, not {type(line).__name__}")
        try:
            message = sealed(subject_of(ref, line), line, self._producer, trace=trace)
            message.headers[MESSAGE_ID] = _identity(ref, line)
            async with self._places:
                await self._stored(message)
        except (LogUnavailable, TooLarge) as error:
            log.warning("line.lost", post=str(ref.id), stage=line.stage, why=str(error))

    async def _stored(self, message: Message) -> None:
        """Send, again under the same id when the answer is lost. Raises `LogUnavailable`."""
        for left in reversed(range(TRIES)):
            try:
                answer = await self._connection.requests.one(*_wire(message), ANSWER_S)
            except LogUnavailable:
                if not left:
                    raise
                await self._connection.ready(ANSWER_S)
                continue
            if b'"error"' in answer.data:
                raise LogUnavailable(f"refused: {answer.data[:200]!r}")
            return


def _wire(message: Message) -> tuple[str, bytes, dict[str, str]]:
    return message.subject, message.data, message.headers


def _identity(ref: PostRef, line: Progressed) -> str:
    """The same words in the same run are the same line, whoever repeats them and when."""
    told = [ref, line.stage, line.run, line.level, line.kind, line.message, line.data]
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
