"""Rows on a real Postgres: one transaction with the position, and equal to the fold of the log."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.projector.batches import Batches
from services.projector.migrations import migrate, shipped
from services.projector.projection import state_of
from services.projector.rows import clean
from services.projector.store import Position, open_store
from shared.domain import events as e
from shared.domain.events import Recorded
from shared.domain.evolve import fold
from shared.domain.journal import journal
from shared.domain.ledger import ledger
from shared.domain.outputs import outputs
from shared.domain.values import Stage
from shared.errors import Conflict, Misconfigured
from shared.testing import OTHER, POST
from shared.testing.histories import histories
from tests.integration.projector.reading import Reading, applied, connected
from tests.unit.projector.stories import (
    USAGE,
    article,
    call,
    deleted,
    late_bills,
    log_line,
    shifted,
    without_nul,
)
from tests.unit.projector.tape import message, taped, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.eventlog import Stored

law = settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def pieces(tape: Sequence[Stored], cuts: set[int]) -> list[Sequence[Stored]]:
    """The tape in batches."""
    edges = [0, *sorted(cut for cut in cuts if cut < len(tape)), len(tape)]
    return [tape[begin:end] for begin, end in pairwise(edges)]


async def check(db: Reading, history: Sequence[Recorded]) -> None:
    """Every row of this one post says what its log says."""
    post = fold(history)
    state, seq, n, stage = await db.one("select state, seq, n, current_stage from posts")
    assert (state_of(state), seq, n) == (state_of(without_nul(post)), post.last, post.n)
    assert stage != ""
    texts = {stage: clean(text) for stage, text in outputs(history).items()}
    assert dict(await db.all("select stage, text from contents")) == texts
    told = [entry for each in history if (entry := journal(each))]
    entries = await db.all("select seq, message from entries order by seq")
    assert entries == [(entry.seq, clean(entry.message)) for entry in told]


@given(history=histories(), cuts=st.sets(st.integers(1, 40)))
@law
def test_rows_are_the_fold_of_any_lawful_history_in_any_batches(
    fresh_database: str, history: tuple[Recorded, ...], cuts: set[int]
) -> None:
    async def hold() -> None:
        await migrate(fresh_database)
        async with connected(fresh_database) as connection:
            db = Reading(connection)
            await db.empty()
            await applied(fresh_database, *pieces(taped(history), cuts))
            await check(db, history)

    asyncio.run(hold())


@given(cuts=st.sets(st.integers(1, 60)))
@law
def test_a_log_read_twice_or_in_other_batches_gives_the_same_rows(
    fresh_database: str, cuts: set[int]
) -> None:
    tape = taped([*article(POST), *late_bills(POST, 1000)])

    async def hold() -> None:
        await migrate(fresh_database)
        async with connected(fresh_database) as connection:
            db = Reading(connection)
            await db.empty()
            await applied(fresh_database, tape)
            at_once = await db.everything()
            await db.empty()
            for _ in range(2):
                await applied(fresh_database, *pieces(tape, cuts))
                assert await db.everything() == at_once
                await db.all("update position set seq = 0")

    asyncio.run(hold())


async def test_a_finished_article_with_its_calls_is_all_there(dsn: str, db: Reading) -> None:
    history = article(POST)
    await applied(dsn, taped(history))
    await check(db, history)
    post = fold(history)
    slug, stage, completed = await db.one("select slug, current_stage, completed_at from posts")
    assert (slug, stage, completed) == ("how-to-train-a-puppy", "complete", post.completed_at)


async def test_a_row_that_is_written_from_memory_is_never_that_of_an_older_fact(
    dsn: str, db: Reading
) -> None:
    history = article(POST)
    async with open_store(dsn) as store:
        batches = Batches(store, await store.begin("tape"), remembered=10)
        for each in taped(history):
            await batches.apply([each])
    await check(db, history)


async def test_what_postgres_cannot_hold_is_replaced_in_every_column(dsn: str, db: Reading) -> None:
    history = article(POST, topic="a\0topic", text="a\0text", line="a\0line")
    await applied(dsn, taped(history))
    await check(db, history)
    assert "\ufffd" in await db.value("select config->>'topic' from posts")


async def test_the_calls_sum_up_to_the_ledger(dsn: str, db: Reading) -> None:
    history = article(POST)
    await applied(dsn, *([each] for each in taped(history)))
    paid = await db.value("select sum(cost_usd) from calls")
    assert paid == pytest.approx(ledger(history).settled_usd)
    assert await db.value("select count(*) from calls where outcome = 'settled'") == 6


async def test_a_late_bill_counts_beside_an_abandoned_attempt(dsn: str, db: Reading) -> None:
    history = late_bills(POST, 1)
    await applied(dsn, *([each] for each in taped(history)))
    row = await db.one("select outcome, cost_usd, started_seq, ended_seq from calls")
    assert row == ("late", ledger(history).settled_usd, 1, 3)


async def test_a_late_bill_adds_to_one_that_was_known(dsn: str, db: Reading) -> None:
    started, failed = call(POST, "draft", ending="failed")
    *_, late = call(POST, "draft", ending="late")
    billed = failed.model_copy(update={"cost_usd": 0.5, "usage": USAGE})
    history = [Recorded(seq, fact) for seq, fact in enumerate((started, billed, late), 1)]
    await applied(dsn, *([each] for each in taped(history)))
    in_three = await db.everything()
    assert await db.value("select cost_usd from calls") == ledger(history).settled_usd == 0.625
    figures = "tokens_in, tokens_out, cache_read, cache_write, cache_write_1h"
    read = await db.one(f"select {figures} from calls")  # noqa: S608
    assert read == tuple(2 * getattr(USAGE, name) for name in figures.split(", "))
    await db.empty()
    await applied(dsn, taped(history))
    assert await db.everything() == in_three


async def test_an_edit_in_a_later_batch_keeps_the_sources(dsn: str, db: Reading) -> None:
    history = article(POST)
    edit = e.ContentEdited(
        post_id=POST,
        at=history[-1].fact.at,
        stage=Stage.RESEARCH,
        actor="ann",
        output="new",
        digest="d",
        words=1,
    )
    await applied(dsn, *([each] for each in taped([*history, Recorded(900, edit)])))
    row = await db.one(
        "select text, seq, sources -> 0 ->> 'url' from contents where stage = 'research'"
    )
    assert row == ("new", 900, "https://example.org/a")


async def test_the_position_is_fenced(dsn: str, db: Reading) -> None:
    tape = taped(article(POST))
    async with open_store(dsn) as store:
        stale = Batches(store, await store.begin("tape"), 10)
        await applied(dsn, tape[:3])
        before = await db.everything()
        with pytest.raises(Conflict):
            await stale.apply(tape[:5])
    assert await db.everything() == before
    assert await db.value("select seq from position") == 3


async def test_another_log_moves_no_position(dsn: str) -> None:
    async with open_store(dsn) as store:
        await store.begin("tape")
        foreign = Batches(store, Position(0, "another", ""), 10)
        with pytest.raises(Conflict):
            await foreign.apply(taped(article(POST)))


async def test_a_message_that_is_no_fact_is_quarantined_and_the_rest_goes_on(
    dsn: str, db: Reading
) -> None:
    tape = taped(article(POST))
    tape[5] = unreadable(tape[5])
    with capture_logs() as logs:
        await applied(dsn, tape)
    kept = await db.one("select seq, problem, data from quarantine")
    assert kept == (tape[5].seq, "no JSON", tape[5].data)
    assert await db.value("select behind from posts where id = $1", POST) is True
    assert await db.value("select seq from position") == tape[-1].seq
    assert [each["event"] for each in logs] == ["projector.quarantined"]


async def test_a_fact_that_postgres_refuses_is_found_and_quarantined_alone(
    dsn: str, db: Reading
) -> None:
    """A run beyond 64 bits fits a fact but no column."""
    history = article(POST)
    started, *_ = call(POST, "huge")
    poison = message(history[-1].seq + 1, started.model_copy(update={"run": 2**70}))
    await applied(dsn, [*taped(history), poison, *taped(shifted(article(OTHER), 1000))])
    assert await db.all("select seq, post_id from quarantine") == [(poison.seq, POST)]
    rows = await db.all("select id, behind, current_stage from posts order by id")
    assert rows == [(POST, True, "complete"), (OTHER, False, "complete")]


async def test_a_row_that_no_longer_reads_holds_up_only_its_own_post(dsn: str, db: Reading) -> None:
    tape = taped(article(POST))
    await applied(dsn, tape[:10])
    await db.all("update posts set state = '[]'")
    await applied(dsn, [*tape[10:], *taped(shifted(article(OTHER), 1000))])
    assert await db.value("select count(*) from quarantine") == len(tape) - 10
    rows = await db.all("select id, behind from posts order by id")
    assert rows == [(POST, True), (OTHER, False)]


async def test_a_post_whose_creation_is_lost_still_has_a_row_that_says_so(
    dsn: str, db: Reading
) -> None:
    tape = taped(article(POST))
    tape[0] = unreadable(tape[0])
    await applied(dsn, tape[:1])
    assert await db.value("select behind from posts where id = $1", POST) is True
    await applied(dsn, tape[1:])
    row = await db.one("select behind, seq, topic from posts where id = $1", POST)
    assert row == (True, fold(article(POST)).last, None)


async def test_nul_and_what_looks_like_it_do_not_stop_it(dsn: str, db: Reading) -> None:
    history = article(POST, topic="a\0b", text="c\0d", line="e\0f\\u0000")
    await applied(dsn, taped(history))
    assert await db.value("select count(*) from quarantine") == 0
    topic, state = await db.one("select topic, state from posts")
    assert topic == "a\ufffdb"
    assert state_of(state).config is not None
    assert await db.value("select text from contents where stage = 'write'") == "c\ufffdd"
    lines = await db.all("select distinct data ->> 'line' from entries where message like 'e%'")
    assert lines == [("e\ufffdf\\u0000",)]


async def test_a_deleted_post_leaves_a_tombstone_and_its_bills(dsn: str, db: Reading) -> None:
    history = article(POST)
    gone = deleted(POST, history)
    after = [Recorded(gone.seq + 1, log_line(POST, "too late"))]
    after += late_bills(POST, gone.seq + 2)
    flow = sum(isinstance(each.fact, e.FlowFact) for each in history)
    await applied(dsn, taped(history), [message(gone.seq, gone.fact, flow)], taped(after))
    assert await db.value("select count(*) from entries") == 0
    assert await db.value("select count(*) from contents") == 0
    row = await db.one("select deleted, current_stage, topic, config from posts")
    assert row == (True, "deleted", None, None)
    paid = await db.value("select sum(cost_usd) from calls")
    assert paid == pytest.approx(ledger([*history, *after]).settled_usd)


async def test_a_history_may_begin_with_its_deletion(dsn: str, db: Reading) -> None:
    gone = deleted(POST, article(POST))
    late = taped(late_bills(POST, gone.seq + 1))
    await applied(dsn, [message(gone.seq, gone.fact, 23)], late)
    row = await db.one("select deleted, behind, seq from posts")
    assert row == (True, False, gone.seq)
    assert await db.value("select count(*) from quarantine") == 0
    assert await db.value("select sum(cost_usd) from calls") > 0


async def test_four_migrations_at_once_are_one(fresh_database: str) -> None:
    await asyncio.gather(*(migrate(fresh_database) for _ in range(4)))
    connection = await asyncpg.connect(fresh_database)
    assert await connection.fetchval("select count(*) from migrations") == len(shipped())
    await connection.close()


async def test_a_migration_changed_afterwards_is_refused(dsn: str, db: Reading) -> None:
    await db.all("update migrations set digest = 'another'")
    with pytest.raises(Misconfigured, match="migration 1 was changed"):
        await migrate(dsn)
