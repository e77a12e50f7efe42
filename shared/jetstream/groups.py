"""Group commit: whatever waits in this process is stored in one batch, and so shares one flush.

While a flight is in the air, appends wait for the next. A flight carries at most one append per
post (and per guarded subject), because the server compares expectations with what stood there
*before* the flight. When a flight is refused, its appends fly one by one, so that only the stale
ones fail.
An append once handed over is sent, whether or not its caller still waits.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from shared import failpoints
from shared.errors import Conflict, LogUnavailable, Unconfirmed
from shared.jetstream.messages import BATCH, BATCH_COMMIT, BATCH_PLACE
from shared.jetstream.requests import Denied, NoAnswer, NotTaken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Message

log = structlog.get_logger(__name__)

FLIGHT_MESSAGES: Final = 500
FLIGHT_BYTES: Final = 4 * 1024 * 1024
ANSWER_S: Final = 5.0
AWAY_S: Final = 2.0
_CONFLICTS: Final = frozenset({10071, 10164, 10201})
_PAUSES: Final = (0.05, 0.2, 0.5)
_AT_ONCE: Final = 16


class Refused(LogUnavailable):
    """The server answered that it stored nothing, for a reason that may pass."""


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """One append on its way. `keys`: what no other append in the same flight may touch."""

    keys: frozenset[str]
    messages: Sequence[Message]
    size: int
    first: asyncio.Future[int]

    def stored(self, first: int) -> None:
        if not self.first.done():
            self.first.set_result(first)

    def failed(self, error: Conflict) -> None:
        if not self.first.done():
            self.first.set_exception(error)


class Groups:
    """Stores appends, many at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: list[Parcel] = []
        self._flying: asyncio.Task[None] | None = None

    async def store(self, messages: Sequence[Message], keys: frozenset[str]) -> int:
        """The sequence of the first message; the others follow it without a gap.

        Raises `Conflict` (nothing stored) or `Unconfirmed`.
        """
        size = sum(len(message.data) for message in messages)
        parcel = Parcel(keys, messages, size, asyncio.get_running_loop().create_future())
        self._waiting.append(parcel)
        if self._flying is None or self._flying.done():
            self._flying = asyncio.create_task(self._fly(), name="group-commit")
        return await parcel.first

    async def close(self, within: float = ANSWER_S) -> None:
        """Let what was handed over be stored; what is not by then is `Unconfirmed`."""
        if self._flying is not None:
            await asyncio.wait({self._flying}, timeout=within)
            self._flying.cancel()
            await asyncio.gather(self._flying, return_exceptions=True)
        for parcel in self._waiting:
            parcel.failed(Unconfirmed("the log was closed before this was stored"))
        self._waiting.clear()

    async def _fly(self) -> None:
        while self._waiting:
            flight = self._boarded()
            try:
                await self._carry(flight)
            finally:
                _failed(flight, Unconfirmed("interrupted before the server answered"))

    def _boarded(self) -> list[Parcel]:
        """The next flight: first come, first served, and nobody overtakes on the same post."""
        flight: list[Parcel] = []
        stay: list[Parcel] = []
        taken: set[str] = set()
        count = size = 0
        for parcel in self._waiting:
            fits = count + len(parcel.messages) <= FLIGHT_MESSAGES and (
                size + parcel.size <= FLIGHT_BYTES
            )
            if parcel.keys.isdisjoint(taken) and (fits or not flight):
                flight.append(parcel)
                count += len(parcel.messages)
                size += parcel.size
            else:
                stay.append(parcel)
            taken |= parcel.keys
        self._waiting = stay
        return flight

    async def _carry(self, flight: Sequence[Parcel]) -> None:
        """Store a flight; again, while surely nothing of it was stored and yet may be."""
        messages = [message for parcel in flight for message in parcel.messages]
        why = ""
        for pause in (*_PAUSES, None):
            try:
                return self._landed(flight, await self._sent(messages))
            except (Conflict, Refused, Denied) as error:
                if len(flight) > 1 and not isinstance(error, Unconfirmed):
                    return await self._apart(flight, error)
                if isinstance(error, Conflict):
                    return self._lost(flight, error)
                if isinstance(error, Denied):
                    return _failed(flight, Unconfirmed(str(error)))
                why = str(error)
            except NotTaken as error:
                why = str(error)
            if pause is not None:
                await asyncio.sleep(pause)
        log.warning("append.given_up", appends=len(flight), why=why)
        return self._lost(flight, Unconfirmed(why))

    def _landed(self, flight: Sequence[Parcel], first: int) -> None:
        self._connection.trust()
        for parcel in flight:
            parcel.stored(first)
            first += len(parcel.messages)

    def _lost(self, flight: Sequence[Parcel], error: Conflict) -> None:
        if isinstance(error, Unconfirmed):
            self._connection.doubt(str(error))
        _failed(flight, error)

    async def _apart(self, flight: Sequence[Parcel], error: Exception) -> None:
        """One batch per append, so that only those fail that must."""
        log.debug("append.apart", appends=len(flight), why=str(error))
        places = asyncio.Semaphore(_AT_ONCE)

        async def carried(parcel: Parcel) -> None:
            async with places:
                await self._carry([parcel])

        async with asyncio.TaskGroup() as group:
            for parcel in flight:
                group.create_task(carried(parcel))

    async def _sent(self, messages: Sequence[Message]) -> int:
        """Store these messages, all or none; the first one's sequence.

        Raises `Conflict`, `Unconfirmed`; when surely nothing was stored: `Refused`, `Denied`,
        `NotTaken`.
        """
        if not await self._connection.ready(AWAY_S):
            raise Unconfirmed("the server is away; nothing was sent")
        requests, last = self._connection.requests, messages[-1]
        headers = last.headers
        if len(messages) > 1:
            headers = await self._all_but_last(messages)
        try:
            answer = await requests.one(last.subject, last.data, headers, ANSWER_S)
        except NoAnswer as error:
            raise Unconfirmed(str(error)) from error
        failpoints.reached("append.stored")
        return _last_stored(answer.data) - len(messages) + 1

    async def _all_but_last(self, messages: Sequence[Message]) -> dict[str, str]:
        """Hand over a batch but for the message that commits it; that one's headers."""
        batch, end = secrets.token_hex(12), len(messages)
        for place, message in enumerate(messages[:-1], 1):
            marked = message.headers | {BATCH: batch, BATCH_PLACE: str(place)}
            await self._connection.requests.tell(message.subject, message.data, marked)
        if failpoints.armed("append.handed"):  # else it may still lie in this process
            await self._connection.nc.flush()
        failpoints.reached("append.handed")
        closing = {BATCH: batch, BATCH_PLACE: str(end), BATCH_COMMIT: "1"}
        return messages[-1].headers | closing


def _failed(flight: Sequence[Parcel], error: Conflict) -> None:
    for parcel in flight:
        parcel.failed(type(error)(str(error)))


def _last_stored(answer: bytes) -> int:
    """The sequence in the server's answer, or what it refuses."""
    try:
        told = json.loads(answer)
        if "error" not in told:
            return int(told["seq"])
        code, words = told["error"]["err_code"], told["error"]["description"]
    except (ValueError, KeyError, TypeError) as error:
        raise Unconfirmed(f"an answer that makes no sense: {answer[:200]!r}") from error
    if code in _CONFLICTS:
        raise Conflict(f"somebody wrote first: {words}")
    raise Refused(f"the server stored nothing: {words} ({code})")
