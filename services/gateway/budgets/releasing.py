"""What a dead worker left held back is booked from the log, or counted as lost in the end.

A call that has ended is booked as its end says. One whose post was deleted, and whose end was never
heard, may still be answered until its deadline; after that its worst case counts as perhaps paid.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain.balances import abandon, book
from shared.domain.budgets import day_budget, profile_budget
from shared.domain.documents import Kind
from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallReused,
    CallSettled,
    CallSettledLate,
    PostDeleted,
)
from shared.domain.subjects import PostRef
from shared.runtime.budgets import standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from services.gateway.context import Gateway
    from shared.domain.balances import Balance, Booking
    from shared.domain.budgets import BudgetName
    from shared.eventlog import Stored

DEADLINE = timedelta(hours=1)
"""No run of a stage lasts so long, and so no call."""
_MOST = 300


async def release(gateway: Gateway, others: Iterable[BudgetName] = ()) -> None:
    """Book what has ended in the budgets of the days, the profiles and these `others`.

    Raises `LogError`.
    """
    now = gateway.clock()
    profiles = await gateway.documents.every(gateway.tenant, Kind.PROFILE)
    names = {
        day_budget(now),
        day_budget(now - timedelta(days=1)),
        *(profile_budget(UUID(each.ref.id)) for each in profiles[-_MOST:]),
        *others,
    }
    for name, each in (await standing(gateway.events, gateway.tenant, names)).items():
        if each.balance.reserved:
            await _released(gateway, name, each.balance)


async def _released(gateway: Gateway, name: BudgetName, balance: Balance) -> None:
    attempts = list(balance.reserved)[:_MOST]
    subjects = {attempt: _subjects(gateway.tenant, attempt) for attempt in attempts}
    found = await gateway.events.latest([each for pair in subjects.values() for each in pair])
    ends = {attempt: _ends(pair, found) for attempt, pair in subjects.items()}
    lost = [each for each in attempts if not ends[each] and await _is_lost(gateway, each)]

    def settled(now: Balance) -> Balance:
        for end in (end for told in ends.values() for end in told):
            now = book(now, end)
        for attempt in lost:
            now = abandon(now, attempt)
        return now

    await gateway.budgets.change(_post(gateway.tenant, attempts[0]), [name], settled)


def _subjects(tenant: str, attempt: str) -> tuple[str, str]:
    post, call = attempt.split(".", 1)
    base = f"{PostRef(tenant, UUID(post)).prefix}.call.{call}"
    return f"{base}.ended", f"{base}.late"


def _ends(subjects: Iterable[str], found: Mapping[str, Stored]) -> list[Booking]:
    facts = (found[subject].fact for subject in subjects if subject in found)
    kinds = CallSettled | CallFailed | CallAbandoned | CallReused | CallSettledLate
    return [fact for fact in facts if isinstance(fact, kinds)]


async def _is_lost(gateway: Gateway, attempt: str) -> bool:
    """Its post is gone, and so long that nobody can still be waiting for its answer."""
    last = await gateway.events.last(_post(gateway.tenant, attempt))
    deleted = last is not None and isinstance(last.fact, PostDeleted)
    return deleted and last is not None and last.fact.at + DEADLINE < gateway.clock()


def _post(tenant: str, attempt: str) -> PostRef:
    return PostRef(tenant, UUID(attempt.split(".", 1)[0]))
