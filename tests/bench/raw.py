"""The raw limit: the very publishes of a run, sent again bare, to a server of the same kind.

One process, one client, no reading, no deciding, no encoding: nobody can be faster than this with
the same flights, and what Galley adds is the difference.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import nats
from nats.js.api import StreamConfig

from shared.errors import LogUnavailable
from shared.jetstream.messages import BATCH, BATCH_COMMIT, BATCH_PLACE
from shared.local.nats_server import nats_server
from tests.bench.served import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from nats.aio.client import Client

    from tests.bench.recorded import Flight

ANSWER_S = 10.0
LANES = 7
"""So many processes write in a plant: six stages and the gateway, each one flight at a time."""
CONFIG = """max_payload: 8MB
jetstream { sync_interval: always, limits { batch { max_msgs: 5000 } } }
"""


@asynccontextmanager
async def bare_server(data: Path) -> AsyncIterator[tuple[Client, int]]:
    """A client of an empty server that syncs every write, and the server's pid."""
    server = nats_server(CONFIG, data)
    async with served(server) as pid:
        client = await nats.connect(server.url, pending_size=0)
        try:
            yield client, pid
        finally:
            await client.close()


async def stream(client: Client, prefix: str) -> None:
    config = StreamConfig(
        name=prefix.upper(), subjects=[f"{prefix}.>"], allow_direct=True, allow_atomic=True
    )
    await client.jetstream().add_stream(config)


async def replayed(client: Client, flights: Sequence[Flight], lanes: int = LANES) -> float:
    """Seconds to store them all, `lanes` flights at a time."""
    waiting = iter(flights)
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(lanes):
            tasks.create_task(_lane(client, waiting))
    return time.perf_counter() - began


async def _lane(client: Client, waiting: Iterator[Flight]) -> None:
    for flight in waiting:
        await _fly(client, flight)


async def _fly(client: Client, flight: Flight) -> None:
    last, marks = flight[-1], _marks(flight)
    for message, marked in zip(flight[:-1], marks, strict=False):
        await client.publish(message.subject, message.data, headers=message.headers | marked)
    headers = last.headers | marks[-1]
    answer = await client.request(last.subject, last.data, ANSWER_S, headers=headers or None)
    if "error" in json.loads(answer.data):
        raise LogUnavailable(f"the bare server refused a flight: {answer.data[:200]!r}")


def _marks(flight: Flight) -> list[dict[str, str]]:
    """What makes these messages one batch; nothing for a lone one."""
    if len(flight) == 1:
        return [{}]
    batch = secrets.token_hex(12)
    marks = [{BATCH: batch, BATCH_PLACE: str(place)} for place in range(1, len(flight) + 1)]
    marks[-1][BATCH_COMMIT] = "1"
    return marks
