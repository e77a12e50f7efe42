"""What must hold of every paid call, checked attempt by attempt: the log against the provider.

Pure: what the log says of a run's calls and what the simulator was asked meanwhile come in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby, pairwise, permutations
from math import fsum, isclose
from typing import TYPE_CHECKING

from shared.domain.events import (
    CallAbandoned,
    CallFact,
    CallFailed,
    CallSettled,
    CallSettledLate,
    CallStarted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shared.domain.events import Recorded
    from tests.e2e.press import Row

type Ended = CallSettled | CallFailed | CallAbandoned


@dataclass(slots=True)
class Tried:
    """One attempt as the log tells it: where it was claimed, how and where it ended."""

    key: str
    attempt: int
    claimed: int = 0
    worst: float = 0.0
    ended: Ended | None = None
    ended_at: int = 0
    late: CallSettledLate | None = None

    @property
    def billed(self) -> float | None:
        """What the log says it cost; None while only the provider knows."""
        if isinstance(self.ended, CallSettled | CallFailed):
            return self.ended.cost_usd
        return self.late.cost_usd if self.late else None


@dataclass(slots=True)
class Paid:
    """What a run's calls came to. `late`: how many bills were booked late. `unconfirmed`: the
    attempts whose bill nobody has, with what the provider charged for each, None for a request it
    never saw."""

    settled: float = 0.0
    invoice: float = 0.0
    late: int = 0
    unconfirmed: dict[tuple[str, int], float | None] = field(default_factory=dict)


def tried(facts: Iterable[Recorded]) -> list[Tried]:
    """The attempts these facts tell of, in the order they were claimed."""
    found: dict[tuple[str, int], Tried] = {}
    for seq, fact in facts:
        if not isinstance(fact, CallFact):
            continue
        one = found.setdefault((fact.key, fact.attempt), Tried(fact.key, fact.attempt))
        if isinstance(fact, CallStarted):
            assert not one.claimed, f"{fact.key}/{fact.attempt} was claimed twice"
            one.claimed, one.worst = seq, fact.worst_case_usd
        elif isinstance(fact, CallSettledLate):
            one.late = fact
        elif isinstance(fact, CallSettled | CallFailed | CallAbandoned):
            assert one.ended is None, f"{fact.key}/{fact.attempt} ended twice"
            one.ended, one.ended_at = fact, seq
    return sorted(found.values(), key=lambda each: each.claimed)


def proved(facts: Iterable[Recorded], calls: Sequence[Row]) -> Paid:
    """The run's bill, if it was paid as promised. Raises `AssertionError` with what was broken."""
    by_key = {key: list(of) for key, of in groupby(_sorted(tried(facts)), lambda each: each.key)}
    for attempts in by_key.values():
        _in_order(attempts)
    by_digest = _grouped(calls)
    assert len(by_digest) == len(by_key), f"{len(by_digest)} requests for {len(by_key)} calls"
    for order in permutations(by_key.values()):
        pairs = list(zip(order, by_digest, strict=True))
        if all(_fits(attempts, sent) for attempts, sent in pairs):
            return _paid(pairs)
    raise AssertionError(f"no attempt explains every request: {_told(by_key, by_digest)}")


def _sorted(attempts: list[Tried]) -> list[Tried]:
    return sorted(attempts, key=lambda each: (each.key, each.attempt))


def _in_order(attempts: list[Tried]) -> None:
    """Only what was given up by name, or failed, is tried again; and only afterwards."""
    for one in attempts:
        given_up = isinstance(one.ended, CallAbandoned)
        assert given_up or one.late is None, f"{one.key}/{one.attempt} has two bills"
    for before, after in pairwise(attempts):
        name = f"{before.key}/{before.attempt}"
        assert not isinstance(before.ended, CallSettled), f"{name} was settled and is repeated"
        assert before.ended is not None, f"{name} was repeated in silence"
        assert before.ended_at < after.claimed, f"{name} was repeated before it had ended"
    assert isinstance(attempts[-1].ended, CallSettled), f"{attempts[-1].key} was never settled"


def _grouped(calls: Sequence[Row]) -> list[list[float]]:
    """What each request was charged, time by time; one list per distinct request."""
    sent: dict[str, list[float]] = {}
    for call in calls:
        sent.setdefault(call["request_digest"], []).append(call["cost_usd"])
    return list(sent.values())


def _fits(attempts: list[Tried], sent: list[float]) -> bool:
    """Every bill of the log is one of the provider's, and what is left is at most one for each
    attempt that is unconfirmed, and never more than its worst case."""
    left = list(sent)
    for attempt in attempts:
        if attempt.billed is not None and not _struck_off(left, attempt.billed):
            return False
    unknown = [each for each in attempts if each.billed is None]
    worst = [each.worst for each in unknown]
    return len(left) <= len(unknown) and all(cost <= max(worst) for cost in left)


def agreed(sum_a: float, sum_b: float) -> bool:
    """Equal to a billionth of a dollar."""
    return isclose(sum_a, sum_b, rel_tol=0, abs_tol=1e-9)


def broken(where: str, check: Callable[[], None]) -> Iterator[str]:
    """What the check has to say, if anything, so that one run tells everything that is wrong."""
    try:
        check()
    except AssertionError as error:
        yield f"{where}: {error}"


def _struck_off(left: list[float], bill: float) -> bool:
    """Takes the bill off the list, if it is there."""
    found = next((cost for cost in left if agreed(cost, bill)), None)
    if found is None:
        return False
    left.remove(found)
    return True


def _paid(pairs: Iterable[tuple[list[Tried], list[float]]]) -> Paid:
    paid = Paid()
    for attempts, sent in pairs:
        bills = [each.billed for each in attempts if each.billed is not None]
        left = list(sent)
        for bill in bills:
            _struck_off(left, bill)
        unseen = iter(left)
        unknown = [each for each in attempts if each.billed is None]
        paid.settled, paid.invoice = paid.settled + fsum(bills), paid.invoice + fsum(sent)
        paid.late += sum(each.late is not None for each in attempts)
        paid.unconfirmed |= {(each.key, each.attempt): next(unseen, None) for each in unknown}
    return paid


def _told(by_key: dict[str, list[Tried]], by_digest: list[list[float]]) -> str:
    told = {key: [(each.attempt, each.billed) for each in of] for key, of in by_key.items()}
    return f"{told} against {by_digest}"


def of_run(facts: Iterable[Recorded], run: int) -> Iterator[Recorded]:
    """The call facts of one run."""
    return (each for each in facts if isinstance(each.fact, CallFact) and each.fact.run == run)
