"""Signs of life over NATS: a beat is heard once or never, a backlog is the consumer's own count."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from shared.errors import LogUnavailable
from shared.heartbeats import Backlog, Beat
from shared.jetstream.messages import item_of
from shared.jetstream.requests import SEQUENCE, NotTaken
from shared.jetstream.rights import STREAM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nats.aio.msg import Msg

    from shared.domain.values import Stage
    from shared.jetstream.connection import Connection

log = structlog.get_logger(__name__)

_WAITING: Final = 1_000
_MOST_BYTES: Final = 2_000
_MOST: Final = 1_000_000
_NO_WORD: Final = re.compile(r"[^A-Za-z0-9_-]+")


class JetStreamBeats:
    """Beats over the same connection as the log, beside it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def publish(self, beat: Beat) -> None:
        try:
            await self._connection.requests.tell(_subject(beat), _encoded(beat))
        except NotTaken as error:
            log.debug("beats.not_sent", why=str(error))

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[Beat]]:
        waiting: asyncio.Queue[Beat] = asyncio.Queue(_WAITING)

        async def arrived(msg: Msg) -> None:
            beat = _decoded(msg)
            if beat is not None and not waiting.full():
                waiting.put_nowait(beat)

        subscription = await self._connection.nc.subscribe("beats.>", cb=arrived)
        try:
            yield _taken(waiting)
        finally:
            if not self._connection.closed:
                await subscription.unsubscribe()


async def _taken(waiting: asyncio.Queue[Beat]) -> AsyncIterator[Beat]:
    while True:
        yield await waiting.get()


def _subject(beat: Beat) -> str:
    """Hosts have dots in their names and would be several words of a subject."""
    return f"beats.{beat.service}.{_NO_WORD.sub('-', beat.instance)[:100] or '-'}"


def _encoded(beat: Beat) -> bytes:
    told = [beat.active, beat.slots, beat.started_at.isoformat(), beat.version[:40]]
    return json.dumps(told).encode()


def _decoded(msg: Msg) -> Beat | None:
    """The beat, or None for what is none: the service is what the server let its sender claim."""
    try:
        _, service, instance = msg.subject.split(".")
        active, slots, started_at, version = json.loads(msg.data[:_MOST_BYTES])
        return Beat(
            service=service,
            instance=instance,
            active=_count(active),
            slots=_count(slots),
            started_at=_instant(started_at),
            version=str(version)[:40],
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        log.warning("beats.malformed", subject=msg.subject[:200], why=type(error).__name__)
        return None


def _count(told: Any) -> int:  # noqa: ANN401  whatever was sent
    number = int(told)
    if not 0 <= number <= _MOST:
        raise ValueError("not a count")
    return number


def _instant(told: Any) -> datetime:  # noqa: ANN401
    instant = datetime.fromisoformat(told)
    if instant.tzinfo is None:
        raise ValueError("no instant")
    return instant


class JetStreamBacklogs:
    """The server's own figures about the stages' consumers."""

    def __init__(self, connection: Connection) -> None:
        self._requests = connection.requests

    async def of(self, stage: Stage) -> Backlog:
        answer = await self._requests.one(f"$JS.API.CONSUMER.INFO.{STREAM}.{stage}")
        try:
            told = json.loads(answer.data)
            queued, in_flight = int(told["num_pending"]), int(told["num_ack_pending"])
            taken = int(told["delivered"]["stream_seq"])
        except (ValueError, KeyError, TypeError) as error:
            raise LogUnavailable(f"the server's answer about {stage} makes no sense") from error
        oldest = await self._stored_at(stage, taken + 1) if queued else None
        return Backlog(queued=queued, in_flight=in_flight, oldest=oldest)

    async def _stored_at(self, stage: Stage, seq: int) -> datetime | None:
        """When the first request at or after this sequence was stored."""
        asked = {"seq": seq, "next_by_subj": f"posts.*.*.flow.{stage}.requested.*"}
        answer = await self._requests.one(
            f"$JS.API.DIRECT.GET.{STREAM}", json.dumps(asked).encode()
        )
        return item_of(answer).at if SEQUENCE in (answer.headers or {}) else None


def open_beats(connection: Connection) -> JetStreamBeats:
    return JetStreamBeats(connection)


def open_backlogs(connection: Connection) -> JetStreamBacklogs:
    return JetStreamBacklogs(connection)
