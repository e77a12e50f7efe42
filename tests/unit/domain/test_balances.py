"""A balance never promises more than its cap, counts every bill once, and stays small."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain import balances
from shared.domain.balances import (
    EMPTY,
    Balance,
    abandon,
    attempt_of,
    book,
    decode_balance,
    encode_balance,
    fits,
    late,
    opening,
    reserve,
    settle,
    usd,
)
from shared.errors import Malformed, TooNew
from shared.eventlog import MAX_FACT_BYTES
from shared.testing.billing import abandoned, billed_late, claimed, journals, refused, settled

CAP = Decimal(7)
AMOUNTS = st.decimals(min_value=0, max_value=3, places=9)
NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "settle", "doubt", "abandon", "late"]), NAMES, AMOUNTS),
    max_size=40,
)
law = settings(max_examples=300, deadline=None)
journal_law = settings(max_examples=60, deadline=None)


class Shop:
    """What callers do with one balance, and what the provider really charged."""

    def __init__(self) -> None:
        self.balance = EMPTY
        self.worst: dict[str, Decimal] = {}
        self.billed: dict[str, Decimal] = {}
        self.asked: set[str] = set()

    def step(self, what: str, name: str, amount: Decimal) -> None:
        worst = self.worst.get(name)
        if what == "ask":
            self._ask(name, amount)
        elif worst is None:
            return
        elif what == "abandon":
            self.billed.setdefault(name, worst)
            self.balance = abandon(self.balance, name)
        elif name not in self.balance.unconfirmed or what == "late":
            self._bill(what, name, min(amount, worst), worst)

    def _ask(self, name: str, amount: Decimal) -> None:
        if name not in self.asked and fits(self.balance, CAP, amount):
            self.asked.add(name)
            self.worst[name] = amount
            self.balance = reserve(self.balance, name, amount)

    def _bill(self, what: str, name: str, cost: Decimal, worst: Decimal) -> None:
        before = self.balance
        if what == "late":
            self.balance = late(before, name, cost)
        elif what == "doubt":
            self.balance = settle(before, name, cost, worst - cost)
        else:
            self.balance = settle(before, name, cost)
        if self.balance != before:
            self.billed[name] = worst if what == "doubt" else cost


@given(STEPS)
@law
def test_what_was_charged_and_may_still_be_never_exceeds_the_cap(steps):
    shop = Shop()
    for step in steps:
        shop.step(*step)
        under_way = sum(shop.balance.reserved.values())
        assert shop.balance.used_usd <= CAP
        assert sum(shop.billed.values()) + under_way <= CAP
        assert sum(shop.billed.values()) <= shop.balance.used_usd


@given(journals())
@journal_law
def test_however_often_and_in_whatever_order_ends_are_booked_the_balance_is_the_same(journal):
    facts = [fact for _, fact in journal]
    begun = opening(fact for fact in facts if fact.EVENT == "started")
    ends = [fact for fact in facts if fact.EVENT != "started"]
    forth, back = begun, begun
    for end in ends:
        forth = book(book(forth, end), end)
    for end in [*reversed(ends), *ends]:
        back = book(back, end)
    assert forth == back == opening(facts)


@given(journals())
@journal_law
def test_a_balance_survives_the_log(journal):
    balance = opening(fact for _, fact in journal)
    assert decode_balance(encode_balance(balance)) == balance


def test_an_abandoned_attempt_counts_at_its_worst_until_its_bill_comes():
    name = attempt_of(claimed())
    held = reserve(EMPTY, name, usd(1))
    lost = book(held, abandoned())
    assert (lost.reserved, lost.unconfirmed) == ({}, {name: usd(1)})
    assert book(lost, billed_late(cost=0.25)) == Balance(spent_usd=usd(0.25))


@pytest.mark.parametrize("order", list(permutations([abandoned(), billed_late(cost=0.25)])))
def test_a_late_bill_may_be_booked_before_its_attempt_is_booked_as_abandoned(order):
    balance = reserve(EMPTY, attempt_of(claimed()), usd(1))
    for end in order:
        balance = book(balance, end)
    assert balance == Balance(spent_usd=usd(0.25))


def test_a_failure_that_may_have_been_charged_counts_at_its_worst():
    balance = reserve(EMPTY, attempt_of(claimed()), usd(1))
    cut = refused(cost=0.25).model_copy(update={"unconfirmed_usd": 0.75})
    assert book(balance, cut).used_usd == usd(1)
    assert book(balance, refused(cost=0.25)).used_usd == usd(0.25)


def test_a_bill_that_was_never_reserved_here_changes_nothing():
    assert book(EMPTY, settled()) is EMPTY
    assert book(EMPTY, abandoned()) is EMPTY
    assert book(EMPTY, billed_late()) is EMPTY


def test_a_thousand_cents_are_ten_dollars():
    balance = EMPTY
    for number in range(1_000):
        balance = settle(reserve(balance, str(number), usd(0.01)), str(number), usd(0.01))
    assert balance == Balance(spent_usd=Decimal("10.00"))


def test_a_balance_stays_one_message_however_many_attempts_are_lost_or_under_way():
    balance, name = EMPTY, attempt_of(claimed(key="k" * 64, run=10**9))
    for number in range(balances.MOST_UNCONFIRMED + 50):
        balance = abandon(reserve(balance, f"{name}{number}", usd(0.5)), f"{name}{number}")
    cap, under_way = Decimal(10_000), 0
    while fits(balance, cap, usd(0.000000001)):
        under_way += 1
        balance = reserve(balance, f"{name}-{under_way}", usd(0.000000001))
    assert under_way == balances.MOST_RESERVED
    assert balance.unconfirmed_usd == Decimal("0.5") * (balances.MOST_UNCONFIRMED + 50)
    assert len(encode_balance(balance)) < MAX_FACT_BYTES


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"schema_version": 1, "spent_usd": -1}', b'{"spent_usd": "1"}', b"\xff"]
)
def test_what_is_no_balance_is_not_taken_for_one(data):
    with pytest.raises(Malformed):
        decode_balance(data)


def test_a_balance_of_newer_code_is_too_new():
    with pytest.raises(TooNew):
        decode_balance(b'{"schema_version": 2, "spent_usd": "1", "more": 1}')
