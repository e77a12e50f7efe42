"""A path to the server that is slow, silent, half open or reset: the client comes back by itself.

"Bounded" is not measured: each wait here would otherwise last until the test is ended.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import cycle
from typing import TYPE_CHECKING

import pytest

from shared.errors import LogUnavailable, Unconfirmed
from shared.eventlog import Append
from shared.jetstream import GATEWAY, PROJECTOR, connect, open_log
from shared.testing.vocabulary import cancelled
from tests.chaos.cluster import serve_node
from tests.chaos.proxy import Proxy, Way, serve_proxy
from tests.chaos.verdict import following, the_log_keeps
from tests.chaos.writers import writing
from tests.integration.jetstream.server import PASSWORDS
from tests.integration.jetstream.stories import begin, new_post, of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

    from shared.domain.subjects import PostRef
    from shared.eventlog import History
    from shared.jetstream import Connection, JetStreamLog
    from tests.chaos.drill import Drill
    from tests.chaos.writers import Book

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

PING_S = 0.3
SLOW_S = 0.2
SOME = 20
LOOK_EVERY_S = 0.05
MUCH = ("beats.gateway.drill", bytes(500_000))
MANY = 60

type Fault = Callable[[Proxy, Book], Awaitable[None]]


async def slow(proxy: Proxy, book: Book) -> None:
    proxy.slow(SLOW_S)
    await book.more(SOME)


async def reset(proxy: Proxy, book: Book) -> None:
    proxy.reset()
    await book.doubt()


async def shut_for_a_while(proxy: Proxy, book: Book) -> None:
    proxy.shut()
    await book.doubt()


async def half_open(proxy: Proxy, book: Book) -> None:
    """The client sends into nothing, and its own pings tell it so."""
    proxy.half_open()
    await book.doubt()


async def black_hole(proxy: Proxy, book: Book) -> None:
    proxy.hold()
    await book.doubt()


async def stranded(proxy: Proxy, book: Book) -> None:
    """Somebody on the way has forgotten these connections; new ones would do."""
    proxy.strand()
    await book.doubt()


async def no_answers(proxy: Proxy, book: Book) -> None:
    """What is sent arrives and is stored; what is said to it is not heard."""
    proxy.hold(Way.BACK)
    await book.doubt()


FAULTS: tuple[Fault, ...] = (
    slow,
    reset,
    half_open,
    stranded,
    no_answers,
    black_hole,
    shut_for_a_while,
)


@asynccontextmanager
async def client(path: Proxy, user: str) -> AsyncIterator[Connection]:
    """One that notices a silent path sooner than it would in a real plant."""
    async with connect(path.url, user, PASSWORDS[user], "drill", ping_every=PING_S) as connection:
        yield connection


def in_turn(drill: Drill) -> Iterator[Fault]:
    faults = cycle([*FAULTS, *drill.random.sample(FAULTS, len(FAULTS))])
    for _ in drill.rounds(len(FAULTS)):
        yield next(faults)


async def test_a_client_outlives_every_fault_of_its_path_and_nothing_is_stored_twice(
    drill: Drill, tmp_path: Path
) -> None:
    async with (
        serve_node(tmp_path / "nats") as node,
        serve_proxy(node.server.port) as path,
        client(path, GATEWAY) as gateway,
        client(path, PROJECTOR) as projector,
        following(open_log(projector, PROJECTOR)) as seen,
    ):
        log = open_log(gateway, GATEWAY)
        async with writing(drill.random, log) as book:
            for fault in in_turn(drill):
                await book.more(drill.random.randrange(1, 50))
                await fault(path, book)
                path.release()
                await book.more(SOME)
                drill.did(fault.__name__, connected_so_far=path.accepted, **book.told())
        kept = await the_log_keeps(log, book, seen=seen)
        drill.did("verdict", kept=kept, shown=len(seen), **book.told())


async def test_a_client_leaves_a_path_that_takes_nothing_though_much_waits_to_be_sent(
    drill: Drill, tmp_path: Path
) -> None:
    """More than every buffer on the way takes: who wanted to be rid of it first would wait on."""
    async with (
        serve_node(tmp_path / "nats") as node,
        serve_proxy(node.server.port) as path,
        client(path, GATEWAY) as gateway,
    ):
        log = open_log(gateway, GATEWAY)
        ref = new_post()
        run = await begin(log, ref)
        path.strand()
        waiting = [asyncio.create_task(gateway.nc.publish(*MUCH)) for _ in range(MANY)]
        with pytest.raises(Unconfirmed):
            await log.append(Append(ref=ref, facts=[of(ref, cancelled())], after=run, n=3))
        drill.did("stranded", connected_so_far=path.accepted)
        assert (await answered(log, ref)).last == run
        await asyncio.gather(*waiting, return_exceptions=True)
        drill.did("verdict", connected_so_far=path.accepted)


async def test_a_client_that_is_closed_waits_for_no_path_that_takes_nothing(
    tmp_path: Path,
) -> None:
    async with serve_node(tmp_path / "nats") as node, serve_proxy(node.server.port) as path:
        async with connect(path.url, GATEWAY, PASSWORDS[GATEWAY], "drill") as gateway:
            path.strand()
            waiting = [asyncio.create_task(gateway.nc.publish(*MUCH)) for _ in range(MANY)]
            await asyncio.wait(waiting, timeout=LOOK_EVERY_S)
        assert gateway.closed
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def answered(log: JetStreamLog, ref: PostRef) -> History:
    """What is read once somebody answers again."""
    while True:
        try:
            return await log.read(ref)
        except LogUnavailable:
            await asyncio.sleep(LOOK_EVERY_S)
