"""What a budget has left: nothing is promised twice, and what may have been paid counts as paid.

A balance holds what was spent, what may have been (attempts whose bill nobody knows, at their worst
case) and what is held back for calls under way. A call fits when all of it together stays within
the cap, so the cap holds whatever the provider did. Every change names its attempt and is made
once, however often it is tried. Amounts are decimals: sums of money are exact.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, ValidationError

from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallSettled,
    CallSettledLate,
    CallStarted,
)
from shared.domain.values import Value
from shared.errors import Malformed, TooNew

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.events import AnyEnd, CallFact, PostEvent

type Money = Decimal
type Booking = AnyEnd | CallSettledLate

SCHEMA: Final = 1
MOST_UNCONFIRMED: Final = 1_000
"""So many attempts without a known bill are kept by name; older ones only as a sum."""
MOST_RESERVED: Final = 2_000
"""So many calls may be under way in one budget; a balance is one message, and has to stay one."""
ZERO: Final = Decimal(0)
_PLACES: Final = 9


def usd(amount: float) -> Money:
    """An amount as our prices are rounded, exactly."""
    return Decimal(str(round(amount, _PLACES)))


class Balance(Value):
    """One budget as it stands; `unconfirmed` and `reserved` name their attempts."""

    schema_version: int = SCHEMA
    spent_usd: Money = Field(default=ZERO, ge=0)
    unconfirmed: dict[str, Money] = Field(default_factory=dict)
    reserved: dict[str, Money] = Field(default_factory=dict)
    unnamed_usd: Money = Field(default=ZERO, ge=0)

    @property
    def reserved_usd(self) -> Money:
        return sum(self.reserved.values(), ZERO)

    @property
    def unconfirmed_usd(self) -> Money:
        return sum(self.unconfirmed.values(), self.unnamed_usd)

    @property
    def used_usd(self) -> Money:
        """What no other call may count on."""
        return self.spent_usd + self.unconfirmed_usd + self.reserved_usd

    def left(self, cap: Money) -> Money:
        """What the next call may cost at most; less than nothing when a cap was lowered."""
        return cap - self.used_usd


EMPTY: Final = Balance()


def attempt_of(call: CallFact) -> str:
    """How a balance names an attempt."""
    return f"{call.post_id}.{call.stage}.{call.run}.{call.key}.{call.attempt}"


# --- what changes a balance -------------------------------------------------------------------


def fits(balance: Balance, cap: Money, worst: Money) -> bool:
    return worst <= balance.left(cap) and len(balance.reserved) < MOST_RESERVED


def reserve(balance: Balance, attempt: str, worst: Money) -> Balance:
    """Hold the worst case back for a call that is about to be made."""
    if attempt in balance.reserved or attempt in balance.unconfirmed:
        return balance
    return _with(balance, reserved={**balance.reserved, attempt: worst})


def settle(balance: Balance, attempt: str, cost: Money, unsure: Money = ZERO) -> Balance:
    """The bill is known; `unsure` is what may have been charged beyond it."""
    if attempt not in balance.reserved:
        return balance
    balance = _released(balance, attempt, spent=cost)
    return _doubted(balance, attempt, unsure) if unsure else balance


def abandon(balance: Balance, attempt: str) -> Balance:
    """Nobody knows the bill: the worst case counts until it comes."""
    worst = balance.reserved.get(attempt)
    if worst is None:
        return balance
    return _doubted(_released(balance, attempt), attempt, worst)


def late(balance: Balance, attempt: str, cost: Money) -> Balance:
    """The bill of an abandoned attempt has come, perhaps before it was booked as abandoned."""
    if attempt not in balance.reserved and attempt not in balance.unconfirmed:
        return balance
    return _released(balance, attempt, spent=cost)


def book(balance: Balance, end: Booking) -> Balance:
    """What the end of a call, or its late bill, means for a balance it was reserved in."""
    attempt = attempt_of(end)
    match end:
        case CallSettled():
            return settle(balance, attempt, usd(end.cost_usd))
        case CallFailed():
            return settle(balance, attempt, usd(end.cost_usd), usd(end.unconfirmed_usd))
        case CallAbandoned():
            return abandon(balance, attempt)
        case CallSettledLate():
            return late(balance, attempt, usd(end.cost_usd))
        case _:
            return settle(balance, attempt, ZERO)


def _released(balance: Balance, attempt: str, spent: Money = ZERO) -> Balance:
    reserved = {name: each for name, each in balance.reserved.items() if name != attempt}
    unconfirmed = {name: each for name, each in balance.unconfirmed.items() if name != attempt}
    return _with(
        balance,
        spent_usd=balance.spent_usd + spent,
        reserved=reserved,
        unconfirmed=unconfirmed,
    )


def _doubted(balance: Balance, attempt: str, worst: Money) -> Balance:
    """Named while there is room for names; then the oldest doubt becomes part of a sum."""
    unconfirmed = {**balance.unconfirmed, attempt: worst}
    unnamed = balance.unnamed_usd
    while len(unconfirmed) > MOST_UNCONFIRMED:
        unnamed += unconfirmed.pop(next(iter(unconfirmed)))
    return _with(balance, unconfirmed=unconfirmed, unnamed_usd=unnamed)


def _with(balance: Balance, **changes: Any) -> Balance:  # noqa: ANN401  the fields of a balance
    return balance.model_copy(update=changes)


# --- as it is stored --------------------------------------------------------------------------


def encode_balance(balance: Balance) -> bytes:
    return balance.model_dump_json().encode()


def decode_balance(data: bytes) -> Balance:
    """Raises `TooNew` for a shape this code does not know yet, `Malformed` for anything else."""
    try:
        newer = json.loads(data)["schema_version"] > SCHEMA
        balance = EMPTY if newer else Balance.model_validate_json(data)
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(f"no balance of ours: {type(error).__name__}") from error
    if newer:
        raise TooNew("a balance that is newer than this code")
    return balance


def opening(facts: Iterable[PostEvent]) -> Balance:
    """What a post's balance begins with: what its journal tells of calls made before its cap."""
    balance, told = EMPTY, list(facts)
    for fact in told:
        if isinstance(fact, CallStarted):
            balance = reserve(balance, attempt_of(fact), usd(fact.worst_case_usd))
    for fact in told:
        if isinstance(fact, CallSettled | CallFailed | CallAbandoned | CallSettledLate):
            balance = book(balance, fact)
    return balance
