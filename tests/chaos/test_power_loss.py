"""The power goes at a random moment, and what was confirmed before is there when it comes back.

A kill does not show this: what a killed server has written is safe in the kernel's memory.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from shared.errors import LogUnavailable
from shared.jetstream import GATEWAY, open_log
from tests.chaos.cluster import serve_again, serve_node
from tests.chaos.disk import Disk, make_disk
from tests.chaos.verdict import the_log_keeps
from tests.chaos.writers import writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared.domain.events import Fact
    from shared.jetstream import Connection, JetStreamLog
    from tests.chaos.cluster import Node
    from tests.chaos.drill import Drill
    from tests.chaos.writers import Book

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

MEGABYTES = 64

type Promised = dict[int, Fact]


@dataclass(frozen=True, slots=True)
class Machine:
    """A server on a disk of its own, and what it promised to those who write all the time."""

    disk: Disk
    node: Node
    book: Book

    @asynccontextmanager
    async def after_power_cut(self, folder: Path) -> AsyncIterator[tuple[Connection, Promised]]:
        """The power goes now: what was promised until then, and another server on what is left."""
        promised, copy = dict(self.book.promised), folder / "copy"
        self.disk.cut_power(self.node, copy)
        left = Disk(copy, folder / "again" / "jetstream")
        left.where.mkdir(parents=True, exist_ok=True)
        async with (
            serve_again(left.where.parent, left.run_as) as node,
            node.galley.connect(GATEWAY) as gateway,
        ):
            yield gateway, promised
        await left.released()


@asynccontextmanager
async def machine(
    drill: Drill, folder: Path, sync_interval: str = "always"
) -> AsyncIterator[Machine]:
    disk = await make_disk(folder / "disk", folder / "nats" / "jetstream", MEGABYTES)
    async with (
        serve_node(folder / "nats", sync_interval=sync_interval, run_as=disk.run_as) as node,
        node.galley.connect(GATEWAY) as gateway,
        writing(drill.random, open_log(gateway, GATEWAY)) as book,
    ):
        yield Machine(disk, node, book)


async def test_a_power_cut_loses_nothing_that_was_confirmed(drill: Drill, tmp_path: Path) -> None:
    async with machine(drill, tmp_path) as it:
        for _ in drill.rounds(2):
            await it.book.more(drill.random.randrange(1, 300))
            async with it.after_power_cut(tmp_path) as (gateway, promised):
                log = open_log(gateway, GATEWAY)
                kept = await the_log_keeps(log, it.book, promised=promised)
                drill.did("cut", promised=len(promised), kept=kept)
                assert not gateway.alarms


async def test_without_a_flush_for_each_write_a_power_cut_loses_what_was_confirmed(
    drill: Drill, tmp_path: Path
) -> None:
    """The server's own default, which is not ours: so the drill above can fail."""
    async with machine(drill, tmp_path, sync_interval="2m") as it:
        await it.book.more(200)
        async with it.after_power_cut(tmp_path) as (gateway, promised):
            left = await reach(open_log(gateway, GATEWAY))
            drill.did("cut", promised=len(promised), left=left)
            assert left < max(promised)


async def reach(log: JetStreamLog) -> int:
    """How far the log reaches; the stream itself may be gone."""
    try:
        return (await log.state()).last
    except LogUnavailable as error:
        if "no log on this server" not in str(error):
            raise
        return 0
