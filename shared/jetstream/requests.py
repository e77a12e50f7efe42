"""Questions to the server and its answers: one subscription for all of them, none left hanging.

An answer may be one message or a series that ends with a status. When the connection is lost, every
open question fails at once; the error says whether the server can have acted on it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Final

import nats.errors

from shared.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nats.aio.client import Client
    from nats.aio.msg import Msg

SEQUENCE: Final = "Nats-Sequence"
STATUS: Final = "Status"
NO_RESPONDERS: Final = "503"
SILENT_S: Final = 10.0


class NotTaken(LogUnavailable):
    """The question reached nobody: nothing can have come of it."""


class Denied(LogUnavailable):
    """This user may not ask that: nothing came of it, and asking again will not help."""


class NoAnswer(LogUnavailable):
    """Nobody knows whether the question was received."""


@dataclass(slots=True)
class _Open:
    """A question that waits, for a message or for the reason why there will be none.

    `series`: its answer is many messages.
    """

    future: asyncio.Future[Msg | LogUnavailable]
    subject: str
    timeout: float
    series: bool
    limit: asyncio.Timeout | None = None
    messages: list[Msg] = field(default_factory=list)


class Requests:
    """Asks on behalf of one connection."""

    def __init__(self, nc: Client) -> None:
        self._nc = nc
        self._open: dict[str, _Open] = {}
        self._numbers = count(1)
        self._inbox = ""
        self._unanswered = -SILENT_S

    @property
    def silent(self) -> bool:
        """The latest question got no answer, and that was a moment ago."""
        return time.monotonic() - self._unanswered < SILENT_S

    async def start(self) -> None:
        self._inbox = self._nc.new_inbox()
        await self._nc.subscribe(
            f"{self._inbox}.*", cb=self._arrived, pending_msgs_limit=-1, pending_bytes_limit=-1
        )

    async def one(
        self,
        subject: str,
        data: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = 2.0,  # noqa: ASYNC109  (the limit is this module's own promise)
    ) -> Msg:
        """The one message that answers. Raises `NotTaken`, `Denied`, `NoAnswer`."""
        asked = _Open(asyncio.get_running_loop().create_future(), subject, timeout, series=False)
        return await self._answered(asked, data, headers)

    async def series(
        self,
        subject: str,
        data: bytes,
        timeout: float = 2.0,  # noqa: ASYNC109
    ) -> tuple[list[Msg], Msg]:
        """The stored messages that answer, and the status that ends them.

        `timeout` is the longest silence, not the whole length; half of it may be enough to give up
        (a timer is not set anew for each message). Raises `NotTaken`, `Denied`,
        `NoAnswer`.
        """
        asked = _Open(asyncio.get_running_loop().create_future(), subject, timeout, series=True)
        status = await self._answered(asked, data, None)
        return asked.messages, status

    async def tell(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        reply: str = "",
    ) -> None:
        """Send and wait for no answer. Raises `NotTaken` when it cannot leave this process."""
        if not self._nc.is_connected:
            raise NotTaken("NATS is away")
        try:
            told = None if headers is None else dict(headers)
            await self._nc.publish(subject, data, reply=reply, headers=told)
        except (nats.errors.Error, OSError) as error:
            raise NotTaken(f"not sent: {str(error) or type(error).__name__}") from error

    def lose(self) -> None:
        """Fail every open question: the connection is gone."""
        for asked in self._open.values():
            if not asked.future.done():
                asked.future.set_result(NoAnswer("the connection to the server was lost"))

    def refuse(self, error: str) -> None:
        """Fail the open questions that a permission error names: no answer will come."""
        for asked in self._open.values():
            if f'"{asked.subject}"'.lower() in error.lower() and not asked.future.done():
                asked.future.set_result(Denied(f"no right to {asked.subject[:200]}"))

    async def _answered(self, asked: _Open, data: bytes, headers: Mapping[str, str] | None) -> Msg:
        token = str(next(self._numbers))
        self._open[token] = asked
        try:
            await self.tell(asked.subject, data, headers, reply=f"{self._inbox}.{token}")
            async with asyncio.timeout(asked.timeout) as asked.limit:
                answer = await asked.future
        except TimeoutError as error:
            self._unanswered = time.monotonic()
            raise NoAnswer(f"no answer within {asked.timeout:g} s") from error
        finally:
            del self._open[token]
        if isinstance(answer, LogUnavailable):
            raise answer
        self._unanswered = -SILENT_S
        if _status(answer) == NO_RESPONDERS:
            raise NotTaken(f"nobody answers to {asked.subject[:100]}")
        return answer

    async def _arrived(self, msg: Msg) -> None:
        asked = self._open.get(msg.subject.rpartition(".")[2])
        if asked is None or asked.future.done():
            return
        if not asked.series or not _is_stored(msg):
            asked.future.set_result(msg)
            return
        asked.messages.append(msg)
        now = asyncio.get_running_loop().time()
        if asked.limit is not None and (asked.limit.when() or now) < now + asked.timeout / 2:
            asked.limit.reschedule(now + asked.timeout)


def _is_stored(msg: Msg) -> bool:
    """A stored message may bear any header, also `Status`; its sequence it has from the server."""
    return msg.headers is not None and SEQUENCE in msg.headers


def _status(msg: Msg) -> str:
    if msg.headers is None or _is_stored(msg):
        return ""
    return msg.headers.get(STATUS, "")
