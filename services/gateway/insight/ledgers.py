"""The bill of a post as lines: one per attempt of a paid call, read from log or rows alike.

A line says what is known of its attempt; the sums follow the rule of `shared.domain.ledger`.
"""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING, Any

from services.gateway.web.answers import BudgetWait, CallRead, LedgerRead, UnconfirmedRead
from shared.domain.budgets import waiting
from shared.domain.events import (
    CallAbandoned,
    CallFact,
    CallFailed,
    CallReused,
    CallSettled,
    CallSettledLate,
    CallStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.domain.events import CallName, Recorded
    from shared.domain.post import Held
    from shared.domain.values import Usage

_UNKNOWN = ("started", "abandoned")
_SUMMED = (
    *("cost_usd", "tokens_in", "tokens_out"),
    *("cache_read", "cache_write", "cache_write_1h", "tokens_image"),
)


def lines(facts: Iterable[Recorded]) -> tuple[CallRead, ...]:
    """The attempts these call facts tell of, in the order they were claimed."""
    known: dict[CallName, CallRead] = {}
    for seq, fact in facts:
        if isinstance(fact, CallFact):
            before = known.get(fact.name) or CallRead(**fact.name.model_dump())
            known[fact.name] = _merged(before, _told(seq, fact))
    return tuple(sorted(known.values(), key=_place))


def _merged(before: CallRead, told: dict[str, Any]) -> CallRead:
    """A late bill adds to what was billed before, as in the ledger of the rules."""
    sums = {name: getattr(before, name) + told[name] for name in _SUMMED if name in told}
    return before.model_copy(update=told | sums)


def _place(line: CallRead) -> int:
    return line.started_seq or line.ended_seq or 0


def _told(seq: int, fact: CallFact) -> dict[str, Any]:
    match fact:
        case CallStarted():
            return {
                "provider": fact.provider,
                "model": fact.model,
                "worst_case_usd": fact.worst_case_usd,
                "started_at": fact.at,
                "started_seq": seq,
            }
        case CallSettled():
            return {**_ended(seq, fact, "settled"), **_billed(fact), "duration_s": fact.duration_s}
        case CallFailed():
            ended = {**_ended(seq, fact, "failed"), **_billed(fact), "code": fact.code}
            return {**ended, "unconfirmed_usd": fact.unconfirmed_usd}
        case CallAbandoned():
            ended = _ended(seq, fact, "abandoned")
            return {**ended, "worst_case_usd": fact.worst_case_usd, "code": fact.reason}
        case CallSettledLate():
            return {**_ended(seq, fact, "late"), **_billed(fact)}
        case CallReused():
            return {**_ended(seq, fact, "reused"), "provider": fact.provider}
        case _:
            return {}


def _ended(seq: int, fact: CallFact, outcome: str) -> dict[str, Any]:
    return {"outcome": outcome, "ended_at": fact.at, "ended_seq": seq}


def _billed(fact: CallSettled | CallFailed | CallSettledLate) -> dict[str, Any]:
    return {"provider": fact.provider, "cost_usd": fact.cost_usd, **_used(fact.usage)}


def _used(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        return {}
    return {
        "model": usage.model,
        "tokens_in": usage.tokens_in,
        "tokens_out": usage.tokens_out,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "cache_write_1h": usage.cache_write_1h,
        "tokens_image": usage.tokens_image,
    }


def ledger(calls: Sequence[CallRead], held: Held | None = None) -> LedgerRead:
    """What is settled, what nobody can know, and what the post waits for."""
    return LedgerRead(
        settled_usd=round(fsum(call.cost_usd for call in calls), 9),
        unconfirmed=[_unconfirmed(call) for call in calls if _is_unconfirmed(call)],
        waits=_waits(held),
    )


def _waits(held: Held | None) -> BudgetWait | None:
    if held is None or held.scope is None:
        return None
    return BudgetWait(
        scope=held.scope,
        needed_usd=held.needed_usd,
        left_usd=held.left_usd,
        cap_usd=held.cap_usd,
        message=waiting(held.scope, held.needed_usd, held.left_usd, held.cap_usd),
    )


def _is_unconfirmed(call: CallRead) -> bool:
    return call.outcome in _UNKNOWN or (call.outcome == "failed" and call.unconfirmed_usd > 0)


def _unconfirmed(call: CallRead) -> UnconfirmedRead:
    return UnconfirmedRead(
        stage=call.stage,
        run=call.run,
        key=call.key,
        attempt=call.attempt,
        worst_case_usd=call.unconfirmed_usd or call.worst_case_usd,
        open=call.outcome == "started",
    )
