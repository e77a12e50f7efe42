"""Three servers that hold the log together, each fault of theirs in turn: once and in order.

Writers in two processes' connections write into the same posts meanwhile. Conflicts have other
names here than on one server, and some appends are answered by nobody at all.
"""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from shared.jetstream import GATEWAY, PROJECTOR, open_log
from tests.chaos.cluster import serve_cluster
from tests.chaos.drill import SECONDS
from tests.chaos.verdict import following, the_log_keeps
from tests.chaos.writers import writing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from tests.chaos.cluster import Cluster
    from tests.chaos.drill import Drill
    from tests.chaos.writers import Book

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not SECONDS, reason="make drills: three servers want a quiet machine"),
]

type Fault = Callable[[Cluster, Book], Awaitable[None]]
SHORTLY = 20


async def the_leader_is_killed(cluster: Cluster, book: Book) -> None:
    leader = await cluster.leader()
    await leader.kill()
    await book.more(SHORTLY)
    await leader.start()


async def two_are_killed(cluster: Cluster, book: Book) -> None:
    """One alone confirms nothing."""
    leader = await cluster.leader()
    other = next(node for node in cluster.nodes if node is not leader)
    await asyncio.gather(leader.kill(), other.kill())
    await book.doubt()
    await asyncio.gather(leader.start(), other.start())


async def all_are_killed(cluster: Cluster, book: Book) -> None:
    await asyncio.gather(*(node.kill() for node in cluster.nodes))
    await book.doubt()
    await asyncio.gather(*(node.start() for node in cluster.nodes))


async def the_leader_is_paused(cluster: Cluster, book: Book) -> None:
    """It wakes up as one that leads no more, and does not know it yet."""
    leader = await cluster.leader()
    leader.pause()
    await book.more(SHORTLY)
    leader.resume()


async def the_leader_is_cut_off(cluster: Cluster, book: Book) -> None:
    """Clients still reach it; the others choose another."""
    cluster.cut_off(await cluster.leader())
    await book.more(SHORTLY)
    cluster.heal()


async def all_are_cut_off_from_each_other(cluster: Cluster, book: Book) -> None:
    cluster.cut_off(cluster.nodes[0])
    cluster.cut_off(cluster.nodes[1])
    await book.doubt()
    cluster.heal()


FAULTS: tuple[Fault, ...] = (
    the_leader_is_cut_off,
    the_leader_is_killed,
    two_are_killed,
    the_leader_is_paused,
    all_are_killed,
    all_are_cut_off_from_each_other,
)


def in_turn(drill: Drill, least: int) -> Iterator[Fault]:
    """The first ones of the list, and all of them in the seed's order when there is time."""
    order = drill.random.sample(FAULTS, len(FAULTS))
    faults = cycle([*FAULTS[:least], *(fault for fault in order if fault not in FAULTS[:least])])
    for _ in drill.rounds(least):
        yield next(faults)


async def test_a_cluster_stores_each_append_once_whatever_happens_to_its_servers(
    drill: Drill, tmp_path: Path
) -> None:
    async with (
        serve_cluster(tmp_path) as cluster,
        cluster.galley.connect(GATEWAY) as gateway,
        cluster.galley.connect(GATEWAY) as second,
        cluster.galley.connect(PROJECTOR) as projector,
        following(open_log(projector, PROJECTOR)) as seen,
    ):
        log = open_log(gateway, GATEWAY)
        async with writing(drill.random, log, open_log(second, GATEWAY)) as book:
            for fault in in_turn(drill, 1):
                await book.more(drill.random.randrange(1, 200))
                await fault(cluster, book)
                await book.more(SHORTLY)
                drill.did(fault.__name__, **book.told())
                await cluster.whole()
        kept = await the_log_keeps(log, book, seen=seen)
        drill.did("verdict", kept=kept, shown=len(seen), **book.told())
        assert {alarm.name for alarm in gateway.alarms} <= {"nats.stores_nothing"}
