"""What a run wrote to its log, flight by flight, as it can be published again."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from shared.jetstream.direct import Direct
from shared.jetstream.messages import (
    BATCH,
    BATCH_COMMIT,
    BATCH_PLACE,
    EXPECTED,
    EXPECTED_OVER,
    MESSAGE_ID,
    Message,
)
from shared.jetstream.rights import STREAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.jetstream import Connection
    from shared.jetstream.messages import Item

type Flight = tuple[Message, ...]
"""Messages that were stored together, in one batch or as one message."""

FROM_THE_SERVER = frozenset(
    {
        "Nats-Stream",
        "Nats-Subject",
        "Nats-Sequence",
        "Nats-Time-Stamp",
        "Nats-Num-Pending",
        "Nats-Last-Sequence",
        BATCH,
        BATCH_PLACE,
        BATCH_COMMIT,
    }
)


async def recorded(connection: Connection, last: int) -> list[Item]:
    """Every message of the log up to a sequence."""
    found = []
    async for item in Direct(connection, STREAM).everything(">"):
        if item.seq > last:
            break
        found.append(item)
    return found


def flights(items: Sequence[Item], prefix: str) -> list[Flight]:
    """The messages by the flights they came in, each subject below `prefix`."""
    together = groupby(items, key=lambda item: item.headers.get(BATCH, str(item.seq)))
    return [tuple(_again(item, prefix) for item in flight) for _, flight in together]


def of_post(items: Sequence[Item], post: str) -> list[Item]:
    """One post's messages."""
    return [item for item in items if f".{post}." in item.subject]


def _again(item: Item, prefix: str) -> Message:
    """As it was sent, but for expectations that name a place in the old log."""
    headers = {name: value for name, value in item.headers.items() if name not in FROM_THE_SERVER}
    if EXPECTED_OVER in headers or headers.get(EXPECTED, "0") != "0":
        headers.pop(EXPECTED, None)
        headers.pop(EXPECTED_OVER, None)
    headers.pop(MESSAGE_ID, None)
    return Message(f"{prefix}.{item.subject}", item.data, headers)
