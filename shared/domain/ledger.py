"""What a post has cost: what is settled, exactly, and what nobody can know, with its bounds.

Settled is every bill a provider's own figures gave us, also for failed, cut-off and late answers.
Unconfirmed is every attempt that was claimed and whose end is not known: between nothing and its
worst case may have been paid. A failure that was cut short can be both: what was told is settled,
and what may have been charged beyond it is unconfirmed. The ledger never adds the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from math import fsum
from typing import TYPE_CHECKING

from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallName,
    CallSettled,
    CallSettledLate,
    CallStarted,
    Spent,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.events import Recorded

type Billed = CallSettled | CallFailed | CallSettledLate


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """An attempt whose bill is between 0 and `worst_case_usd`; `open` while it may still answer."""

    call: CallName
    worst_case_usd: float
    open: bool


@dataclass(frozen=True, slots=True)
class Ledger:
    """`settled_usd` is exact; `unconfirmed` names what it cannot include."""

    settled_usd: float
    bills: tuple[Billed, ...]
    unconfirmed: tuple[Unconfirmed, ...]


def ledger(facts: Iterable[Recorded]) -> Ledger:
    """The ledger over a post's call facts, in any order, each counted once."""
    bills: dict[tuple[CallName, str], Billed] = {}
    unknown: dict[CallName, Unconfirmed] = {}
    known: set[CallName] = set()
    for _, fact in facts:
        match fact:
            case CallSettled() | CallFailed() | CallSettledLate():
                bills.setdefault((fact.name, fact.EVENT), fact)
                if isinstance(fact, CallFailed) and fact.unconfirmed_usd:
                    doubt = Unconfirmed(fact.name, fact.unconfirmed_usd, open=False)
                    unknown[fact.name] = doubt
                else:
                    known.add(fact.name)
            case CallStarted():
                unknown.setdefault(
                    fact.name, Unconfirmed(fact.name, fact.worst_case_usd, open=True)
                )
            case CallAbandoned():
                unknown[fact.name] = Unconfirmed(fact.name, fact.worst_case_usd, open=False)
            case _:
                continue
    total = fsum(bill.cost_usd for bill in bills.values())
    left = tuple(each for name, each in unknown.items() if name not in known)
    return Ledger(total, tuple(bills.values()), left)


def closing(book: Ledger) -> tuple[Spent, ...]:
    """The ledger by day, stage and model: what stays when the post is deleted."""
    lines: dict[tuple[str, str, str], list[Billed]] = {}
    for bill in book.bills:
        model = bill.usage.model if bill.usage else ""
        lines.setdefault(
            (bill.at.astimezone(UTC).date().isoformat(), bill.stage, model), []
        ).append(bill)
    return tuple(
        Spent(
            day=day,
            stage=bills[0].stage,
            model=model,
            calls=len(bills),
            cost_usd=fsum(bill.cost_usd for bill in bills),
        )
        for (day, _, model), bills in sorted(lines.items())
    )
