"""A disk that is full, and one that fails one write: nothing confirmed is lost, nobody is lied to.

After either, the server takes nothing into that stream until it is started again, though it greets
and answers reads. So the writers are told, each of them and soon, and the process says that it is
not ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.jetstream import GATEWAY, open_log
from tests.chaos.cluster import serve_node
from tests.chaos.disk import fail_one_write, make_disk
from tests.chaos.verdict import the_log_keeps
from tests.chaos.writers import writing

if TYPE_CHECKING:
    from pathlib import Path

    from shared.jetstream import Connection
    from tests.chaos.cluster import Node
    from tests.chaos.drill import Drill
    from tests.chaos.writers import Book

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

MEGABYTES = 32


async def test_on_a_full_disk_writers_are_told_and_go_on_once_there_is_room(
    drill: Drill, tmp_path: Path
) -> None:
    disk = await make_disk(tmp_path / "disk", tmp_path / "nats" / "jetstream", MEGABYTES)
    async with (
        serve_node(tmp_path / "nats", run_as=disk.run_as) as node,
        node.galley.connect(GATEWAY) as gateway,
    ):
        async with writing(drill.random, open_log(gateway, GATEWAY)) as book:
            for _ in drill.rounds(1):
                await book.more(drill.random.randrange(1, 300))
                disk.fill(node)
                await in_doubt(drill, gateway, book)
                disk.clear(node)
                await node.kill()
                await disk.released()
                await trusted_again(node, gateway, book)
        await verdict(drill, gateway, book)


async def test_after_one_failed_write_writers_are_told_and_go_on_after_a_restart(
    drill: Drill, tmp_path: Path
) -> None:
    blocks = tmp_path / "nats/jetstream/jetstream/APP/streams/GALLEY/msgs"
    async with serve_node(tmp_path / "nats") as node, node.galley.connect(GATEWAY) as gateway:
        async with writing(drill.random, open_log(gateway, GATEWAY)) as book:
            for at in drill.rounds(1):
                await book.more(drill.random.randrange(1, 300))
                await fail_one_write(node, max(blocks.glob("*.blk")), tmp_path / f"trace{at}")
                await in_doubt(drill, gateway, book)
                await node.kill()
                await trusted_again(node, gateway, book)
        await verdict(drill, gateway, book)


async def in_doubt(drill: Drill, gateway: Connection, book: Book) -> None:
    """The next thing a writer hears is an error, and the process does not count as ready."""
    drill.did("fault", writers_were_told=await book.doubt(), promised=len(book.promised))
    assert gateway.connected
    assert "NATS stores nothing" in (gateway.problem() or "")


async def trusted_again(node: Node, gateway: Connection, book: Book) -> None:
    await node.start()
    await book.more(20)
    assert gateway.problem() is None


async def verdict(drill: Drill, gateway: Connection, book: Book) -> None:
    kept = await the_log_keeps(open_log(gateway, GATEWAY), book)
    drill.did("verdict", kept=kept, **book.told())
    assert {alarm.name for alarm in gateway.alarms} == {"nats.stores_nothing"}
