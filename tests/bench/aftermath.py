"""What is measured on the log that a plant has left behind: the bare publishes, the projector."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from shared.jetstream import PROJECTOR, USERS, connect, open_log, server_config
from shared.jetstream.messages import TYPE
from shared.local.environment import Environment
from shared.local.layout import Layout
from shared.local.nats_server import nats_server
from shared.local.postgres import postgres
from tests.bench.projector import projected_alone
from tests.bench.raw import bare_server, replayed, stream
from tests.bench.recorded import flights, of_post, recorded
from tests.bench.served import served
from tests.bench.usage import cpu_seconds, difference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping, Sequence
    from pathlib import Path

    from shared.jetstream.messages import Item
    from shared.local.nats_server import NatsServer
    from tests.bench.projector import Projected

NO_FACT = "slug"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What one post writes, on average: messages by type, flights, bytes."""

    kinds: Mapping[str, float]
    flights: float
    bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """`rate` in posts a second, many at once; `single` in seconds, one post with nobody else.

    `cpu` is CPU seconds per post, by group; the load generator is the one that publishes.
    """

    rate: float
    single: float
    cpu: Mapping[str, float]


async def written(data: Path, last: int) -> list[Item]:
    """What stands in the log of an ended plant, up to a sequence."""
    async with _log_of(data) as (server, _):
        password = Layout(data).passwords(USERS)[PROJECTOR]
        async with connect(server.url, PROJECTOR, password, "bench") as connection:
            return await recorded(connection, last)


def shape(items: Sequence[Item], posts: int) -> Shape:
    kinds = Counter(item.headers.get(TYPE, NO_FACT) for item in items)
    return Shape(
        kinds={name: count / posts for name, count in kinds.most_common()},
        flights=len(flights(items, "")) / posts,
        bytes=sum(len(item.data) for item in items) / posts,
    )


async def bare(
    data: Path, items: Sequence[Item], crowd: Sequence[Item], alone: Collection[str], posts: int
) -> Bare:
    """The same flights again: those of the `crowd` of posts, and of each post that was `alone`."""
    chains = [flights(of_post(items, post), "chain") for post in alone]
    async with bare_server(data) as (client, pid):
        await stream(client, "crowd")
        before = cpu_seconds({"nats-server": pid})
        seconds = await replayed(client, flights(crowd, "crowd"))
        used = difference(before, cpu_seconds({"nats-server": pid}))
        await stream(client, "chain")
        taken = [await replayed(client, chain, lanes=1) for chain in chains]
    return Bare(
        rate=posts / seconds,
        single=median(taken) if taken else 0.0,
        cpu={name: each / posts for name, each in used.items()},
    )


async def projector_alone(data: Path) -> Projected:
    """The whole log of an ended plant, projected into tables that were empty."""
    layout = Layout(data)
    passwords = layout.passwords(USERS)
    rows = await postgres(layout.postgres, database="alone")
    async with _log_of(data) as (log, log_pid), served(rows) as rows_pid:
        async with connect(log.url, PROJECTOR, passwords[PROJECTOR], "bench") as connection:
            last = (await open_log(connection, PROJECTOR).state()).last
        environment = Environment(
            nats=log.url,
            passwords=passwords,
            dsn=rows.dsn,
            simulator="",
            keys={},
            first_key="",
            extra={},
        )
        pids = {"nats-server": log_pid, "postgres": rows_pid}
        return await projected_alone(
            environment, rows.dsn, pids, last, layout.logs / "projector-alone.log"
        )


@asynccontextmanager
async def _log_of(data: Path) -> AsyncIterator[tuple[NatsServer, int]]:
    layout = Layout(data)
    server = nats_server(server_config(layout.passwords(USERS)), layout.nats)
    async with served(server) as pid:
        yield server, pid
