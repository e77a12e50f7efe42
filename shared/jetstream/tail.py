"""Every message of the log after a sequence, in order, without gap or duplicate, for ever.

The consumer is this follower's alone and keeps no acknowledgements; it numbers what it hands out.
A number that does not follow, silence, or a lost server: another consumer begins after the last
message that was yielded.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import nats.errors
import structlog
from nats.js import api
from nats.js.errors import APIError

from shared.errors import ForeignLog, LogUnavailable
from shared.jetstream.messages import Item, stored_of
from shared.jetstream.pull import Doubt, Pull, handed
from shared.jetstream.rights import STREAM
from shared.jetstream.state import state_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from nats.aio.msg import Msg

    from shared.eventlog import Stored
    from shared.jetstream.connection import Connection

log = structlog.get_logger(__name__)

PORTION: Final = 500
PORTION_S: Final = 30.0
QUIET_S: Final = 2.0
FORGOTTEN_S: Final = 30.0
_RETRY_S: Final = 5.0
_PAUSE_S: Final = 0.2
"""A cluster without a leader answers at once that it has nothing to say, and would each time."""


async def follow(connection: Connection, after: int) -> AsyncIterator[Sequence[Stored]]:
    """Batches of messages; an empty one after about two seconds of silence, also of the server's:
    whoever follows turns meanwhile, and can tell that it waits from being stuck.

    Raises `ForeignLog` when the log ends before `after`, or is another one than at the beginning.
    """
    identity = ""
    while True:
        try:
            identity = await _same_log(connection, identity, after)
            async with _consumer(connection, after) as pull:
                handed = 0
                while True:
                    messages = await _portion(pull)
                    batch = [_stored(msg, handed + at) for at, msg in enumerate(messages, 1)]
                    handed += len(batch)
                    after = batch[-1].seq if batch else after
                    yield batch
        except LogUnavailable as error:
            log.info("tail.again", after=after, why=str(error))
        yield []
        await asyncio.sleep(_PAUSE_S)
        await connection.ready(_RETRY_S)


async def _same_log(connection: Connection, identity: str, after: int) -> str:
    state = await state_of(connection)
    if identity and state.identity != identity:
        raise ForeignLog(f"the log was {identity} and is {state.identity} now")
    if state.last < after:
        raise ForeignLog(f"this log ends at {state.last}, before {after}, which was read already")
    return state.identity


async def _portion(pull: Pull) -> list[Msg]:
    if pull.idle:
        await pull.ask(PORTION, PORTION_S)
    return await pull.take(QUIET_S)


def _stored(msg: Msg, expected: int) -> Stored:
    seq, place, at = handed(msg)
    if place != expected:
        raise Doubt(f"message {place} came where {expected} was due")
    return stored_of(Item(seq, msg.subject, msg.data, msg.headers or {}, at))


@asynccontextmanager
async def _consumer(connection: Connection, after: int) -> AsyncIterator[Pull]:
    """A consumer of our own; the server forgets it some time after we are gone."""
    js = connection.nc.jetstream(timeout=QUIET_S)
    name = f"tail_{connection.user}_{secrets.token_hex(6)}"
    pull = Pull(connection, STREAM, name)
    try:
        await js.add_consumer(STREAM, _config(name, after))
        await pull.open()
        yield pull
    except (nats.errors.Error, OSError) as error:
        raise Doubt(f"no consumer: {str(error) or type(error).__name__}") from error
    finally:
        await pull.close()
        await _removed(connection, name)


def _config(name: str, after: int) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        name=name,
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        ack_policy=api.AckPolicy.NONE,
        mem_storage=True,
        num_replicas=1,
        inactive_threshold=FORGOTTEN_S,
    )


async def _removed(connection: Connection, name: str) -> None:
    """Best effort: an unused consumer is forgotten by itself."""
    if not connection.connected:
        return
    try:
        await connection.nc.jetstream(timeout=QUIET_S).delete_consumer(STREAM, name)
    except (APIError, nats.errors.Error, OSError) as error:
        log.debug("tail.consumer_left", name=name, why=str(error))
