"""Every bill counts once; what nobody can know is named with its bounds and never added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from shared.domain import events as e
from shared.domain.ledger import Unconfirmed, closing, ledger
from shared.domain.values import Stage
from shared.testing import NOW
from shared.testing.billing import (
    abandoned,
    billed_late,
    claimed,
    journals,
    recorded,
    refused,
    reused,
    settled,
    taken_up,
)
from shared.testing.histories import law


def test_an_empty_journal_costs_nothing():
    book = ledger(())
    assert (book.settled_usd, book.bills, book.unconfirmed) == (0, (), ())
    assert closing(book) == ()


def test_every_bill_counts_once():
    twice = recorded([claimed(), settled(cost=0.5), settled(cost=0.5)])
    assert ledger(twice).settled_usd == 0.5
    assert ledger([*twice, *twice]).settled_usd == 0.5


def test_a_failed_call_costs_what_it_was_billed():
    book = ledger(
        recorded([claimed(), refused(cost=0.125), claimed(attempt=2), settled(attempt=2)])
    )
    assert book.settled_usd == 0.375


def test_an_attempt_in_flight_is_bounded_and_open():
    book = ledger(recorded([claimed(worst=2)]))
    assert book.settled_usd == 0
    assert book.unconfirmed == (Unconfirmed(claimed().name, 2, open=True),)


def test_an_abandoned_attempt_is_bounded_and_no_longer_open():
    facts = recorded([claimed(worst=2), abandoned(worst=1.5)])
    for order in (facts, facts[::-1]):
        assert ledger(order).unconfirmed == (Unconfirmed(claimed().name, 1.5, open=False),)


def test_a_late_bill_counts_and_nothing_is_unconfirmed_any_more():
    book = ledger(recorded([claimed(), abandoned(), billed_late(cost=0.75)]))
    assert (book.settled_usd, book.unconfirmed) == (0.75, ())


def test_a_bill_at_the_end_and_a_bill_that_came_late_are_two_bills():
    book = ledger(recorded([claimed(), refused(cost=0.125), billed_late(cost=0.75)]))
    assert (book.settled_usd, len(book.bills)) == (0.875, 2)


def test_a_reused_answer_and_a_delivery_cost_nothing():
    book = ledger(recorded([reused(), taken_up(1)]))
    assert (book.settled_usd, book.unconfirmed) == (0, ())


def test_many_small_bills_are_added_exactly():
    facts = recorded(settled(attempt=number, cost=0.1) for number in range(1, 11))
    assert ledger(facts).settled_usd == 1.0


def test_the_closing_ledger_has_a_line_per_day_stage_and_model():
    tomorrow = NOW + timedelta(days=1)
    facts = recorded(
        [
            settled(key="a", cost=0.5),
            settled(key="b", cost=0.25),
            settled(key="c", model="another"),
            settled(key="d", at=tomorrow),
            refused(key="e", cost=0.125),
        ]
    )
    lines = {(line.day, line.model): (line.calls, line.cost_usd) for line in closing(ledger(facts))}
    assert lines == {
        ("2026-01-01", ""): (1, 0.125),
        ("2026-01-01", "a-model"): (2, 0.75),
        ("2026-01-01", "another"): (1, 0.25),
        ("2026-01-02", "a-model"): (1, 0.25),
    }
    assert {line.stage for line in closing(ledger(facts))} == {Stage.RESEARCH}


def test_a_day_is_a_day_in_utc_whatever_the_writer_s_clock_says():
    evening = datetime(2026, 1, 1, 22, tzinfo=timezone(timedelta(hours=-5)))
    line = closing(ledger(recorded([settled(at=evening)])))[0]
    assert line.day == evening.astimezone(UTC).date().isoformat() == "2026-01-02"


@law
@given(journals(), st.randoms())
def test_the_order_of_reading_changes_no_sum(facts: tuple[e.Recorded, ...], shuffle):
    mixed = [*facts, *facts]
    shuffle.shuffle(mixed)
    one, other = ledger(facts), ledger(mixed)
    assert one.settled_usd == other.settled_usd
    assert set(one.unconfirmed) == set(other.unconfirmed)


@law
@given(journals())
def test_the_closing_lines_sum_to_the_settled_sum(facts: tuple[e.Recorded, ...]):
    book = ledger(facts)
    lines = closing(book)
    assert isclose(sum(line.cost_usd for line in lines), book.settled_usd, abs_tol=1e-9)
    assert sum(line.calls for line in lines) == len(book.bills)


@law
@given(journals())
def test_every_claimed_attempt_is_billed_or_unconfirmed_and_never_both(
    facts: tuple[e.Recorded, ...],
):
    book = ledger(facts)
    billed = {bill.name for bill in book.bills}
    unknown = {each.call for each in book.unconfirmed}
    claims = {fact.name for _, fact in facts if isinstance(fact, e.CallStarted)}
    assert billed | unknown == claims
    assert not billed & unknown
