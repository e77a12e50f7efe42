"""One server, killed and paused in mid-load: what it confirmed is there, once and in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.jetstream import GATEWAY, PROJECTOR, open_log
from tests.chaos.cluster import serve_node
from tests.chaos.verdict import following, the_log_keeps
from tests.chaos.writers import writing

if TYPE_CHECKING:
    from pathlib import Path

    from shared.jetstream import JetStreamLog
    from tests.chaos.cluster import Node
    from tests.chaos.drill import Drill
    from tests.chaos.writers import Book

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]


async def test_a_server_killed_in_mid_load_loses_nothing_it_confirmed(
    drill: Drill, tmp_path: Path
) -> None:
    async with (
        serve_node(tmp_path / "nats") as node,
        node.galley.connect(GATEWAY) as gateway,
        node.galley.connect(PROJECTOR) as projector,
        following(open_log(projector, PROJECTOR)) as seen,
    ):
        log = open_log(gateway, GATEWAY)
        book = await killed_while_writing(drill, node, log)
        kept = await the_log_keeps(log, book, seen=seen)
        drill.did("verdict", kept=kept, shown=len(seen), **book.told())
        assert not gateway.alarms


async def killed_while_writing(drill: Drill, node: Node, log: JetStreamLog) -> Book:
    async with writing(drill.random, log) as book:
        for _ in drill.rounds(3):
            await book.more(drill.random.randrange(1, 300))
            await node.kill()
            drill.did("kill", **book.told())
            await node.start()
        await book.more(50)
    return book


async def test_a_server_paused_beyond_patience_confirms_nothing_twice(
    drill: Drill, tmp_path: Path
) -> None:
    async with serve_node(tmp_path / "nats") as node, node.galley.connect(GATEWAY) as gateway:
        log = open_log(gateway, GATEWAY)
        async with writing(drill.random, log) as book:
            for _ in drill.rounds(1):
                await book.more(drill.random.randrange(1, 300))
                node.pause()
                drill.did("pause", writers_were_told=await book.doubt())
                node.resume()
            await book.more(50)
        kept = await the_log_keeps(log, book)
        drill.did("verdict", kept=kept, **book.told())
        assert {alarm.name for alarm in gateway.alarms} == {"nats.stores_nothing"}
        assert gateway.problem() is None
