"""Appends on a real server: flights, refusals, cancellation, and a server that dies."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest

from shared.domain.values import Stage
from shared.errors import Conflict, TooLarge, Unconfirmed
from shared.eventlog import Append, Guarded
from shared.jetstream import GATEWAY, open_log
from shared.testing.vocabulary import approved, cancelled, completed, created, edited
from tests.integration.jetstream.stories import begin, claim, facts_of, line, new_post, of

if TYPE_CHECKING:
    from shared.domain.subjects import PostRef
    from shared.jetstream import Connection, JetStreamLog
    from tests.integration.jetstream.conftest import Mortal
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration


def creation(ref: PostRef) -> Append:
    return Append(ref=ref, facts=[of(ref, created())], after=0)


async def batch_of(admin: Connection, seq: int) -> str | None:
    message = await admin.nc.jetstream().get_msg("GALLEY", seq)
    return (message.headers or {}).get("Nats-Batch-Id")


async def test_what_waits_at_the_same_moment_rides_in_one_batch(
    log: JetStreamLog, admin: Connection
) -> None:
    ends = await asyncio.gather(*(log.append(creation(new_post())) for _ in range(20)))
    assert len({await batch_of(admin, seq) for (seq,) in ends}) == 1
    assert sorted(seq for (seq,) in ends) == list(range(ends[0][0], ends[0][0] + 20))


async def test_two_appends_of_one_post_never_ride_together(
    log: JetStreamLog, research_log: JetStreamLog, admin: Connection
) -> None:
    ref = new_post()
    run = await begin(log, ref)
    lines = [
        Append(ref=ref, facts=[of(ref, claim(ref, key)), line(ref, key)], after=run)
        for key in ("a", "b", "c")
    ]
    ends = await asyncio.gather(*map(research_log.append, lines))
    assert len({await batch_of(admin, end[0]) for end in ends}) == 3
    assert ends == sorted(ends)


async def test_a_lone_fact_needs_no_batch(log: JetStreamLog, admin: Connection) -> None:
    (seq,) = await log.append(creation(new_post()))
    assert await batch_of(admin, seq) is None


async def test_a_stale_append_fails_alone_and_those_beside_it_are_stored(
    log: JetStreamLog,
) -> None:
    known = new_post()
    await begin(log, known)
    refs = [*(new_post() for _ in range(10)), known, *(new_post() for _ in range(10))]
    ends = await asyncio.gather(*(log.append(creation(r)) for r in refs), return_exceptions=True)

    assert [ref for ref, end in zip(refs, ends, strict=True) if isinstance(end, Conflict)] == [
        known
    ]
    for ref, end in zip(refs, ends, strict=True):
        if ref is not known:
            assert tuple(seq for seq, _ in (await log.read(ref)).flow) == end


async def test_one_balance_wanted_by_many_at_once_is_moved_by_one(log: JetStreamLog) -> None:
    def reserve() -> Append:
        ref = new_post()
        balance = Guarded(subject="budgets.main.all.x.2026", data=b"{}", expected=0)
        return Append(ref=ref, facts=[of(ref, created())], after=0, also=[balance])

    wishes = [reserve() for _ in range(12)]
    ends = await asyncio.gather(*map(log.append, wishes), return_exceptions=True)
    assert sum(isinstance(end, tuple) for end in ends) == 1
    for wish, end in zip(wishes, ends, strict=True):
        assert bool((await log.read(wish.ref)).flow) == isinstance(end, tuple)


async def test_an_append_larger_than_a_flight_is_stored_in_one_piece(
    log: JetStreamLog, research_log: JetStreamLog
) -> None:
    large, small = new_post(), new_post()
    texts = [of(large, edited(Stage.RESEARCH, "x" * 100_000)) for _ in range(60)]
    big = Append(ref=large, facts=[of(large, created()), *texts], after=0)
    many = Append(ref=small, facts=[claim(small, f"c{n}") for n in range(700)])
    await asyncio.gather(
        log.append(big), research_log.append(many), log.append(creation(new_post()))
    )
    assert facts_of((await log.read(large)).flow) == list(big.facts)
    assert len((await log.read(small, [(Stage.RESEARCH, 1)])).calls) == 700


async def test_an_append_the_server_can_never_take_is_too_large(log: JetStreamLog) -> None:
    ref = new_post()
    with pytest.raises(TooLarge):
        await log.append(Append(ref=ref, facts=[claim(ref, f"c{n}") for n in range(5001)]))


async def test_an_append_handed_over_is_stored_though_its_caller_was_cancelled(
    log: JetStreamLog,
) -> None:
    refs = [new_post() for _ in range(9)]
    tasks = [asyncio.create_task(log.append(creation(ref))) for ref in refs]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(end, asyncio.CancelledError) for end in ends] == [True, False] * 4 + [True]
    await log.close()
    assert all([(await log.read(ref)).flow for ref in refs])


async def test_what_was_handed_over_is_stored_before_the_connection_closes(
    log: JetStreamLog, galley_nats: GalleyNats
) -> None:
    refs = [new_post() for _ in range(30)]
    async with galley_nats.connect(GATEWAY) as connection:
        closing = open_log(connection, GATEWAY)
        tasks = [asyncio.create_task(closing.append(creation(ref))) for ref in refs]
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert all([(await log.read(ref)).flow for ref in refs])


async def test_who_lacks_a_right_fails_alone_and_an_alarm_names_it(
    log: JetStreamLog, research: Connection, research_log: JetStreamLog
) -> None:
    ref = new_post()
    run = await begin(log, ref)
    forbidden = of(ref, approved(Stage.RESEARCH))
    for facts in ([forbidden], [forbidden, line(ref, "x")], [line(ref, "x"), forbidden]):
        others = [new_post() for _ in range(4)]
        allowed = [Append(ref=other, facts=[claim(other), claim(other, "b")]) for other in others]
        wrong = Append(ref=ref, facts=facts, after=run, n=3)
        ends = await asyncio.gather(
            *map(research_log.append, [*allowed, wrong]), return_exceptions=True
        )
        assert [type(end) for end in ends] == [tuple] * 4 + [Unconfirmed]
    assert (await log.read(ref)).last == run
    problem = research.problem()
    assert problem is not None
    assert "flow.research.approved" in problem
    assert {alarm.name for alarm in research.alarms} == {"nats.permission_denied"}


async def test_a_server_that_dies_leaves_each_append_stored_once_or_not_at_all(
    mortal: Mortal,
) -> None:
    async with mortal.galley.connect(GATEWAY) as connection:
        log = open_log(connection, GATEWAY)

        async def write(ref: PostRef) -> None:
            """Append until forty are there; what is unsure is read, never assumed."""
            while (history := await log.read(ref)).post.n < 40:
                n = history.post.n
                fact = created() if n == 0 else edited(Stage.RESEARCH, f"text {n}")
                try:
                    await log.append(
                        Append(ref=ref, facts=[of(ref, fact)], after=history.last, n=n)
                    )
                except Conflict:
                    continue

        refs = [new_post() for _ in range(25)]
        writing = [asyncio.create_task(write(ref)) for ref in refs]
        for _ in range(2):
            while (await log.state()).last % 1000 < 150:
                await asyncio.sleep(0)
            await mortal.kill()
            await mortal.start()
            assert await connection.ready(10)
        await asyncio.gather(*writing)
        for ref in refs:
            texts = [getattr(fact, "output", "") for fact in facts_of((await log.read(ref)).flow)]
            assert texts == ["", *(f"text {n}" for n in range(1, 40))]
        assert (await log.state()).last == 25 * 40


async def test_an_append_in_the_air_when_the_server_dies_is_unconfirmed(mortal: Mortal) -> None:
    async with mortal.galley.connect(GATEWAY) as connection:
        log = open_log(connection, GATEWAY)
        ref = new_post()
        run = await begin(log, ref)
        os.kill(mortal.child.pid, signal.SIGSTOP)
        stop = Append(ref=ref, facts=[of(ref, cancelled())], after=run, n=3)
        waiting = asyncio.create_task(log.append(stop))
        while not connection.requests._open:
            await asyncio.sleep(0)
        await mortal.kill()
        with pytest.raises(Unconfirmed, match="lost"):
            await waiting
        await mortal.start()
        assert (await log.read(ref)).last == run


async def test_without_a_server_an_append_is_unconfirmed(mortal: Mortal) -> None:
    async with mortal.galley.connect(GATEWAY) as connection:
        log = open_log(connection, GATEWAY)
        ref = new_post()
        run = await begin(log, ref)
        await mortal.kill()
        wishes = [creation(new_post()) for _ in range(200)]
        wishes.append(Append(ref=ref, facts=[of(ref, cancelled())], after=run, n=3))
        ends = await asyncio.gather(*map(log.append, wishes), return_exceptions=True)
        assert {type(end) for end in ends} == {Unconfirmed}
        await mortal.start()
        assert await connection.ready(10)
        assert (await log.read(ref)).last == run


async def test_a_completed_stage_hands_on_in_one_batch(
    log: JetStreamLog, research_log: JetStreamLog, admin: Connection
) -> None:
    ref = new_post()
    run = await begin(log, ref)
    done = of(ref, completed(Stage.RESEARCH, run=run))
    ends = await research_log.append(
        Append(ref=ref, facts=[done, line(ref, "done")], after=run, n=3, cause=run)
    )
    message = await admin.nc.jetstream().get_msg("GALLEY", ends[0])
    headers = message.headers or {}
    assert headers["Galley-Cause"] == str(run)
    assert headers["Galley-Producer"] == "research"
    assert await batch_of(admin, ends[0]) == await batch_of(admin, ends[1]) is not None
