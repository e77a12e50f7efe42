"""The requests for one stage, lent to this worker one by one until they are settled.

Only a valid StageRequested is handed out. What is none is terminated with an alarm; what is newer
than this code goes back, for a newer worker, and `too_new` says so for readiness.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import structlog

from shared.domain.events import StageRequested
from shared.domain.subjects import place_of
from shared.errors import LogUnavailable, Malformed, TooNew
from shared.jetstream.messages import BATCH, EXPECTED, EXPECTED_OVER, Item, fact_of
from shared.jetstream.pull import Pull, handed
from shared.jetstream.requests import NotTaken
from shared.jetstream.rights import STREAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nats.aio.msg import Msg

    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage
    from shared.eventlog import Delivery
    from shared.jetstream.connection import Connection

log = structlog.get_logger(__name__)

FETCH_S: Final = 2.0
SETTLE_S: Final = 2.0
TOO_NEW_S: Final = 30.0
_SECOND: Final = 1_000_000_000


class JetStreamDelivery:
    """One request on loan."""

    def __init__(
        self, connection: Connection, msg: Msg, ref: PostRef, seq: int, request: StageRequested
    ) -> None:
        self._requests = connection.requests
        self._reply = msg.reply
        self.ref: Final = ref
        self.seq: Final = seq
        self.request: Final = request

    async def still_working(self) -> None:
        await self._requests.one(self._reply, b"+WPI", timeout=SETTLE_S)

    async def ack(self) -> None:
        try:
            await self._requests.one(self._reply, b"+ACK", timeout=SETTLE_S)
        except LogUnavailable as error:
            log.info("delivery.ack_lost", seq=self.seq, why=str(error))

    async def hand_back(self, delay: float = 0.0) -> None:
        try:
            await self._requests.one(self._reply, _nak(delay), timeout=SETTLE_S)
        except LogUnavailable as error:
            log.info("delivery.not_handed_back", seq=self.seq, why=str(error))


class JetStreamInbox:
    """A stage's durable consumer. One fetch at a time.

    `too_new` says what was newer than this code, None as long as nothing was.
    """

    def __init__(self, connection: Connection, stage: Stage) -> None:
        self._connection = connection
        self._stage = stage
        self._pull = Pull(connection, STREAM, stage)
        self._one_at_a_time = asyncio.Lock()
        self.too_new: str | None = None

    async def close(self) -> None:
        """Stop; what arrived and nobody took is handed back at once."""
        for msg in await self._pull.close():
            await self._settle(msg, _nak(0))

    async def fetch(self, most: int) -> Sequence[Delivery]:
        async with self._one_at_a_time:
            if not await self._connection.ready(FETCH_S):
                raise LogUnavailable("the server is away")
            await self._pull.open()
            await self._pull.ask(most, FETCH_S, ready_only=True)
            messages = await self._pull.whole(FETCH_S + 0.5)
        lent = [await self._lent(msg) for msg in messages]
        return [delivery for delivery in lent if delivery is not None]

    async def _lent(self, msg: Msg) -> JetStreamDelivery | None:
        seq = handed(msg).seq
        item = Item(seq, msg.subject, msg.data, msg.headers or {})
        try:
            place = place_of(item.subject)
            fact = fact_of(item, place)
            if not isinstance(fact, StageRequested) or not _fenced(item, place.post):
                raise Malformed("no request that followed anything")  # noqa: TRY301
        except Malformed as error:
            await self._terminated(msg, seq, str(error))
        except TooNew as error:
            await self._returned(msg, seq, str(error))
        else:
            return JetStreamDelivery(self._connection, msg, place.post, seq, fact)
        return None

    async def _terminated(self, msg: Msg, seq: int, why: str) -> None:
        self._connection.alarm(
            "inbox.malformed", f"{why}, at {seq}: terminated", stage=self._stage, seq=seq
        )
        reason = why.encode("ascii", "replace").replace(b"\n", b" ")[:200]
        await self._settle(msg, b"+TERM " + reason)

    async def _returned(self, msg: Msg, seq: int, why: str) -> None:
        self.too_new = why
        self._connection.alarm(
            "inbox.too_new", f"{why}, at {seq}: handed back", stage=self._stage, seq=seq
        )
        await self._settle(msg, _nak(TOO_NEW_S))

    async def _settle(self, msg: Msg, verdict: bytes) -> None:
        try:
            await self._connection.requests.tell(msg.reply, verdict)
        except NotTaken as error:
            log.info("delivery.not_settled", verdict=verdict[:5].decode(), why=str(error))


def _nak(delay: float) -> bytes:
    if delay <= 0:
        return b"-NAK"
    return b"-NAK " + json.dumps({"delay": int(delay * _SECOND)}).encode()


def _fenced(item: Item, ref: PostRef) -> bool:
    """It named what it followed, or stands in a batch beside a fact that did."""
    if EXPECTED in item.headers:
        return item.headers.get(EXPECTED_OVER) == ref.flow
    return BATCH in item.headers
