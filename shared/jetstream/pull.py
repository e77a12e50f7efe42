"""A consumer's messages, asked for in portions; it says at once when the consumer is in doubt.

The server sends a heartbeat when it has nothing else to send. Silence beyond that, a lost
connection or a consumer that is gone is a `Doubt`: whoever pulls decides what to do.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.errors import LogUnavailable
from shared.jetstream.requests import STATUS, NotTaken

if TYPE_CHECKING:
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

    from shared.jetstream.connection import Connection

HEARTBEAT_S: Final = 0.5
SILENCE_S: Final = 2.0
PORTION_BYTES: Final = 8 * 1024 * 1024
_SECOND: Final = 1_000_000_000
_HEARTBEAT: Final = "100"
_OVER: Final = frozenset({"404", "408"})
_PORTION_FULL: Final = "maxbytes"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SHORT_REPLY: Final = 9


class Doubt(LogUnavailable):
    """The consumer does not answer, or is not there."""


class Handed(NamedTuple):
    """What the server says of a message it hands out: its sequence in the log, the how-manieth of
    this consumer it is, and when it was stored."""

    seq: int
    place: int
    at: datetime


def handed(msg: Msg) -> Handed:
    """Read off the subject for acknowledgements; its longer form names domain and account first.

    Exact, where the library rounds the time. Raises `Doubt`.
    """
    words = msg.reply.split(".")
    begin = 5 if len(words) == _SHORT_REPLY else 7
    try:
        seq, place, nanoseconds = map(int, words[begin : begin + 3])
    except ValueError as error:
        raise Doubt(f"a message came with {msg.reply[:100]!r}") from error
    return Handed(seq, place, _EPOCH + timedelta(microseconds=nanoseconds // 1000))


class Pull:
    """Portions of one consumer. One reader at a time."""

    def __init__(self, connection: Connection, stream: str, consumer: str) -> None:
        self._connection = connection
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._messages: list[Msg] = []
        self._wanted = 0
        self._trouble = ""
        self._heard = 0.0
        self._news = asyncio.Event()
        self._inbox = connection.nc.new_inbox()
        self._subscription: Subscription | None = None
        self._forget = connection.at_loss(self._lost)

    @property
    def idle(self) -> bool:
        """No portion is on its way: ask for the next one."""
        return self._wanted == 0

    async def open(self) -> None:
        """Listen; asked again, it changes nothing."""
        if self._subscription is not None:
            return
        self._subscription = await self._connection.nc.subscribe(
            self._inbox, cb=self._arrived, pending_msgs_limit=-1, pending_bytes_limit=-1
        )

    async def close(self) -> list[Msg]:
        """Stop; the messages that came and were not taken. Asked again, it changes nothing."""
        self._forget()
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self._connection.closed:
            await subscription.unsubscribe()
        left, self._messages = self._messages, []
        return left

    async def ask(self, most: int, expires: float, *, ready_only: bool = False) -> None:
        """Ask for up to `most` messages within `expires` seconds.

        `ready_only`: the portion ends with the messages that are there when the first one is.
        Raises `Doubt` when it cannot be asked.
        """
        self._trouble, self._wanted = "", most
        self._heard = asyncio.get_running_loop().time()
        told: dict[str, int | bool] = {
            "batch": most,
            "expires": int(expires * _SECOND),
            "idle_heartbeat": int(HEARTBEAT_S * _SECOND),
            "max_bytes": PORTION_BYTES,
        }
        if ready_only:
            told["no_wait"] = True
        try:
            data = json.dumps(told).encode()
            await self._connection.requests.tell(self._subject, data, reply=self._inbox)
        except NotTaken as error:
            self._wanted = 0
            raise Doubt(str(error)) from error

    async def take(self, within: float) -> list[Msg]:
        """What has come; waits up to `within` seconds for something to come. Raises `Doubt`."""
        until = asyncio.get_running_loop().time() + within
        while not self._messages and not self._trouble and not self.idle:
            if not await self._woken(until):
                break
        if self._messages:
            taken, self._messages = self._messages, []
            return taken
        if self._trouble:
            self._wanted = 0
            raise Doubt(self._trouble)
        return []

    async def whole(self, within: float) -> list[Msg]:
        """Everything up to the portion's end. Raises `Doubt` when nothing came."""
        until = asyncio.get_running_loop().time() + within
        while not self._trouble and not self.idle and await self._woken(until):
            pass
        self._wanted = 0
        return await self.take(0)

    async def _woken(self, until: float) -> bool:
        """Wait for news; False when there are none in time. Notes when heartbeats stay out."""
        self._news.clear()
        try:
            async with asyncio.timeout_at(min(until, self._heard + SILENCE_S)):
                await self._news.wait()
        except TimeoutError:
            now = asyncio.get_running_loop().time()
            if now >= self._heard + SILENCE_S:
                self._trouble = "the consumer is silent"
            return now < until
        return True

    async def _arrived(self, msg: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        if msg.reply:
            self._messages.append(msg)
            self._wanted = max(0, self._wanted - 1)
        elif not self._ended(msg.headers or {}):
            return
        self._news.set()

    def _ended(self, headers: dict[str, str]) -> bool:
        """What a status means: a heartbeat, the end of the portion, or trouble."""
        status, words = headers.get(STATUS, ""), headers.get("Description", "")
        if status == _HEARTBEAT:
            return False
        if status not in _OVER and _PORTION_FULL not in words.replace(" ", "").lower():
            self._trouble = f"{status} {words}".strip()
        self._wanted = 0
        return True

    def _lost(self) -> None:
        self._trouble = "the connection to the server was lost"
        self._news.set()
