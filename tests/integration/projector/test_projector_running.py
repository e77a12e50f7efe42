"""A projector at work: two of them, killed ones, and logs it must not read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from services.projector.migrations import migrate
from services.projector.runner import Pace
from shared.errors import ForeignLog
from shared.testing import OTHER, POST
from tests.integration.projector.reading import BRISK, applied, projector, running, until
from tests.unit.projector.stories import article, shifted
from tests.unit.projector.tape import Tape, taped, unreadable

if TYPE_CHECKING:
    from services.projector.runner import Projector
    from tests.integration.projector.reading import Reading


async def test_a_running_projector_follows_the_log(dsn: str, db: Reading) -> None:
    first, moved = taped(article(POST)), taped(shifted(article(OTHER), 1000))
    tape = Tape(first)
    async with running(dsn, tape) as working:
        await until(lambda: working.position == first[-1].seq)
        await tape.record(*moved)
        await until(lambda: working.position == moved[-1].seq)
        assert (working.role, working.trouble(), working.behind()) == (
            "projecting",
            None,
            None,
        )
    assert working.role == "stopped"
    assert await db.value("select count(*) from posts where completed_at is not null") == 2


async def test_of_two_projectors_one_works_and_the_other_takes_over(dsn: str, db: Reading) -> None:
    messages = taped(article(POST))
    tape = Tape(messages[:10])
    async with running(dsn, tape) as second:
        async with running(dsn, tape) as first:
            await until(lambda: {first.role, second.role} == {"projecting", "standby"})
            worker, standby = sorted((first, second), key=lambda each: each.role)
            assert standby.trouble() is None
            await until(lambda: worker.position == 10)
            assert standby.position == 0
        await until(lambda: second.role == "projecting")
        await tape.record(*messages[10:])
        await until(lambda: second.position == messages[-1].seq)
    assert await db.value("select completed_at is not null from posts") is True


async def test_a_projector_killed_anywhere_is_continued_exactly(dsn: str, db: Reading) -> None:
    """The server ends the connection again and again while batches of eight are written."""
    messages = taped([*article(POST), *shifted(article(OTHER), 1000)])
    await applied(dsn, messages)
    wanted = await db.everything()
    await db.empty()
    tape, end = Tape(messages), messages[-1].seq
    tape.batch = 8
    async with running(dsn, tape) as working:
        while (seen := working.position) < end:
            await db.all(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'galley-projector' and datname = current_database()"
            )
            await moved_beyond(working, seen)
    assert await db.everything() == wanted


async def moved_beyond(working: Projector, seen: int) -> None:
    await until(lambda: working.position > seen)


async def test_it_waits_for_a_database_that_is_not_migrated_and_says_why(
    fresh_database: str,
) -> None:
    messages = taped(article(POST))
    async with running(fresh_database, Tape(messages)) as working:
        await until(lambda: "position" in (working.trouble() or ""))
        await migrate(fresh_database)
        await until(lambda: working.position == messages[-1].seq)
        assert working.trouble() is None


async def test_it_waits_for_a_postgres_that_is_away(fresh_database: str) -> None:
    nowhere = "postgresql://galley@127.0.0.1:1/nowhere"
    async with running(nowhere, Tape()) as working:
        await until(lambda: "Connect" in (working.trouble() or ""))
        assert working.role == "connecting"


async def test_a_fact_newer_than_this_code_stops_the_position_in_front_of_it(dsn: str) -> None:
    messages = taped(article(POST))
    tape = Tape([*messages[:7], unreadable(messages[7], "version 9", too_new=True), *messages[8:]])
    async with running(dsn, tape) as working:
        await until(lambda: "version 9" in (working.trouble() or ""))
        assert working.position == messages[6].seq
        tape.messages[7] = messages[7]
        await until(lambda: working.position == messages[-1].seq)
        assert working.trouble() is None


async def test_while_it_cannot_read_on_newer_code_gets_the_lock(dsn: str) -> None:
    messages = taped(article(POST))
    old = Tape([*messages[:7], unreadable(messages[7], "version 9", too_new=True), *messages[8:]])
    patient = Pace(standby_s=0.01, again_s=0.5, measure_s=0.02)
    async with running(dsn, old, patient), running(dsn, Tape(messages), BRISK) as newer:
        await until(lambda: newer.position == messages[-1].seq)


@pytest.mark.parametrize("how", ["identity", "content", "shorter"])
async def test_another_log_is_refused(dsn: str, db: Reading, how: str) -> None:
    messages = taped(article(POST))
    await applied(dsn, messages)
    before = await db.everything()
    others = {
        "identity": Tape(messages, identity="another"),
        "content": Tape(taped(article(OTHER))),
        "shorter": Tape(messages[:5]),
    }
    with pytest.raises(ForeignLog, match="refusing"):
        await asyncio.wait_for(projector(dsn, others[how]).run(), 10)
    assert await db.everything() == before


async def test_a_purged_position_is_no_other_log(dsn: str) -> None:
    messages = taped(article(POST))
    await applied(dsn, messages[:10])
    tape = Tape([*messages[:5], *messages[12:]])
    async with running(dsn, tape) as working:
        await until(lambda: working.position == messages[-1].seq)


async def test_far_behind_the_log_is_not_ready(dsn: str) -> None:
    messages = taped(article(POST))
    tape = Tape([*messages[:3], unreadable(messages[3], too_new=True), *messages[4:]])
    strict = Pace(standby_s=0.01, again_s=0.01, measure_s=0.01, most_behind=5)
    async with running(dsn, tape, strict) as working:
        await until(lambda: working.behind() is not None)
        assert "behind the log" in (working.behind() or "")


async def test_a_second_schema_is_projected_beside_the_first(dsn: str, db: Reading) -> None:
    await db.all("create schema rebuilt")
    beside = f"{dsn}{'&' if '?' in dsn else '?'}options=-csearch_path%3Drebuilt"
    await migrate(beside)
    messages = taped(article(POST))
    async with running(dsn, Tape(messages)) as live, running(beside, Tape(messages)) as rebuild:
        await until(lambda: {live.role, rebuild.role} == {"projecting"})
        await until(lambda: live.position == rebuild.position == messages[-1].seq)
    assert await db.value("select count(*) from rebuilt.posts") == 1
