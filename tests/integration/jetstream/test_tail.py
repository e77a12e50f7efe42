"""The tail on a real server: nothing is missed and nothing comes twice, whatever happens to it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from shared.domain.values import Stage
from shared.errors import Conflict, ForeignLog, LogUnavailable
from shared.eventlog import Append
from shared.jetstream import ADMIN, GATEWAY, PROJECTOR, ensure, open_log
from shared.testing.vocabulary import completed, created, edited
from tests.integration.jetstream.stories import begin, envelope, following, forge, new_post, of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shared.eventlog import Stored
    from shared.jetstream import Connection, JetStreamLog
    from tests.integration.jetstream.conftest import Mortal
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration


async def until(batches: AsyncIterator[Sequence[Stored]], last: int) -> list[Stored]:
    found: list[Stored] = []
    while not found or found[-1].seq < last:
        found.extend(await anext(batches))
    return found


async def tails(admin: Connection) -> list[str]:
    known = await admin.nc.jetstream().consumers_info("GALLEY")
    return [each.name for each in known if each.name.startswith("tail")]


async def test_a_follower_that_leaves_takes_its_consumer_along(
    log: JetStreamLog, admin: Connection
) -> None:
    run = await begin(log, new_post())
    async with aclosing(log.tail(0)) as batches:  # type: ignore[type-var]
        await until(batches, run)
        assert len(await tails(admin)) == 1
    assert await tails(admin) == []


async def test_a_tail_survives_the_loss_of_its_consumer(
    log: JetStreamLog, admin: Connection
) -> None:
    async with aclosing(log.tail(0)) as batches:  # type: ignore[type-var]
        seen = await until(batches, await begin(log, new_post()))
        (name,) = await tails(admin)
        await admin.nc.jetstream().delete_consumer("GALLEY", name)
        seen += await until(batches, await begin(log, new_post()))
    seqs = [each.seq for each in seen]
    assert seqs == list(range(seqs[0], seqs[0] + 6))


async def test_a_tail_survives_a_server_that_is_killed(mortal: Mortal) -> None:
    async with (
        mortal.galley.connect(GATEWAY) as gateway,
        mortal.galley.connect(PROJECTOR) as projector,
    ):
        log, follower = open_log(gateway, GATEWAY), open_log(projector, PROJECTOR)
        stop = asyncio.Event()

        async def write() -> int:
            written = 0
            while not stop.is_set():
                try:
                    written = await begin(log, new_post())
                except Conflict:
                    continue
            return written

        writing = [asyncio.create_task(write()) for _ in range(5)]
        async with aclosing(follower.tail(0)) as batches:  # type: ignore[type-var]
            seen = await until(batches, 200)
            for _ in range(2):
                await mortal.kill()
                await mortal.start()
                seen += await until(batches, seen[-1].seq + 200)
            stop.set()
            await asyncio.gather(*writing)
            last = (await follower.state()).last
            if seen[-1].seq < last:
                seen += await until(batches, last)
        assert [each.seq for each in seen] == list(range(1, last + 1))
        assert all(each.fact for each in seen)


async def test_a_tail_turns_while_the_server_is_away(mortal: Mortal) -> None:
    async with mortal.galley.connect(GATEWAY) as connection:
        log = open_log(connection, GATEWAY)
        async with aclosing(log.tail(0)) as batches:  # type: ignore[type-var]
            await until(batches, await begin(log, new_post()))
            await mortal.kill()
            async with asyncio.timeout(30):
                assert [await anext(batches), await anext(batches)] == [[], []]


async def test_a_tail_does_not_go_on_with_another_log(mortal: Mortal) -> None:
    async with (
        mortal.galley.connect(GATEWAY) as gateway,
        mortal.galley.connect(ADMIN) as admin,
    ):
        log = open_log(gateway, GATEWAY)
        run = await begin(log, new_post())
        async with aclosing(log.tail(0)) as batches:  # type: ignore[type-var]
            await until(batches, run)
            await admin.nc.jetstream().delete_stream("GALLEY")
            await ensure(admin)
            for _ in range(3):
                await begin(log, new_post())
            with pytest.raises(ForeignLog):
                await until(batches, 100)


async def test_a_tail_without_a_log_asks_again_at_leisure(mortal: Mortal) -> None:
    """As in a cluster without a leader: the server is there and has nothing to say."""
    async with (
        mortal.galley.connect(GATEWAY) as gateway,
        mortal.galley.connect(ADMIN) as admin,
    ):
        await admin.nc.jetstream().delete_stream("GALLEY")
        following = asyncio.ensure_future(anext(open_log(gateway, GATEWAY).tail(0)))
        with capture_logs() as logged:
            for _ in range(200):
                with pytest.raises(LogUnavailable):
                    await open_log(admin, ADMIN).state()
        assert 1 <= len([each for each in logged if each["event"] == "tail.again"]) < 50
        following.cancel()


async def test_what_is_wrong_is_shown_not_hidden(log: JetStreamLog, research: Connection) -> None:
    ref = new_post()
    run = await begin(log, ref)
    fact = of(ref, completed(Stage.RESEARCH, run=run))
    bare = await forge(research, ref, fact, 3, headers=following(ref, run))
    newer = envelope(fact, "research") | {"Galley-Type": "of-tomorrow"}
    seq = await forge(research, ref, fact, 3, headers=newer)
    liar = await forge(research, ref, fact, 3, headers=envelope(fact, "gateway"))
    async with aclosing(log.tail(run)) as batches:  # type: ignore[type-var]
        found = {each.seq: each for each in await until(batches, liar)}
    assert "envelope" in found[bare].problem
    assert not found[bare].too_new
    assert found[seq].too_new
    assert "newer" in found[seq].problem
    assert "'gateway' has no right" in found[liar].problem
    assert all(each.fact is None and each.ref == ref for each in found.values())
    assert await log.stored(seq) == found[seq]


async def test_long_facts_come_through_in_order(log: JetStreamLog) -> None:
    ref = new_post()
    text = "x" * 500_000
    facts = [created(), *[edited(Stage.RESEARCH, f"{n}{text}") for n in range(60)]]
    seqs = await log.append(Append(ref=ref, facts=[of(ref, fact) for fact in facts], after=0))
    async with aclosing(log.tail(seqs[0] - 1)) as batches:  # type: ignore[type-var]
        found = await until(batches, seqs[-1])
    assert tuple(each.seq for each in found) == seqs
    assert found[-1].stored_at is not None


async def test_the_trace_of_the_writer_reaches_the_follower(
    gateway: Connection, galley_nats: GalleyNats
) -> None:
    traced = open_log(gateway, GATEWAY, trace=lambda: "00-trace-span-01")
    run = await begin(traced, new_post())
    stored = await traced.stored(run)
    assert stored is not None
    assert stored.trace == "00-trace-span-01"
