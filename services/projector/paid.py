"""The rows of paid calls: what each call fact tells of its attempt, and how two tellings merge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.projector.rows import CallRow, clean
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
    from uuid import UUID

    from shared.domain.values import Usage


def told(post_id: UUID, seq: int, fact: CallFact) -> CallRow:
    """What this one fact says of its attempt."""
    bare = CallRow(post_id, fact.stage, fact.run, fact.key, fact.attempt, "")
    ended = bare._replace(ended_at=fact.at, ended_seq=seq)
    match fact:
        case CallStarted():
            return _started(bare, seq, fact)
        case CallSettled():
            row = _billed(ended, "settled", fact.usage, fact.cost_usd)
            return row._replace(provider=fact.provider, duration_s=fact.duration_s)
        case CallFailed():
            row = _billed(ended, "failed", fact.usage, fact.cost_usd)
            doubt = fact.unconfirmed_usd
            return row._replace(
                provider=fact.provider, code=clean(fact.code), unconfirmed_usd=doubt
            )
        case CallAbandoned():
            return ended._replace(
                outcome="abandoned", worst_case_usd=fact.worst_case_usd, code=fact.reason
            )
        case CallSettledLate():
            row = _billed(ended, "late", fact.usage, fact.cost_usd)
            return row._replace(provider=fact.provider)
        case CallReused():
            return ended._replace(outcome="reused", provider=fact.provider, cost_usd=0.0)
        case _:
            raise TypeError(f"{type(fact).__name__} is no fact about a paid call")


def _started(bare: CallRow, seq: int, fact: CallStarted) -> CallRow:
    return bare._replace(
        outcome="started",
        provider=fact.provider,
        model=clean(fact.model),
        worst_case_usd=fact.worst_case_usd,
        started_at=fact.at,
        started_seq=seq,
    )


def _billed(row: CallRow, outcome: str, usage: Usage | None, cost_usd: float) -> CallRow:
    row = row._replace(outcome=outcome, cost_usd=cost_usd)
    if usage is None:
        return row
    return row._replace(
        model=clean(usage.model),
        tokens_in=usage.tokens_in,
        tokens_out=usage.tokens_out,
        cache_read=usage.cache_read,
        cache_write=usage.cache_write,
        cache_write_1h=usage.cache_write_1h,
        tokens_image=usage.tokens_image,
    )


def merged(earlier: CallRow | None, later: CallRow) -> CallRow:
    """Both tellings of one attempt; a late bill adds to what was billed before, as in the ledger.

    The store merges with the rows of earlier batches by the same rules.
    """
    if earlier is None:
        return later
    ends = later if later.ended_seq is not None else earlier
    return CallRow(
        *earlier[:5],
        outcome=ends.outcome,
        provider=_first(earlier.provider, later.provider),
        model=_first(earlier.model, later.model),
        worst_case_usd=_first(earlier.worst_case_usd, later.worst_case_usd),
        cost_usd=_sum(earlier.cost_usd, later.cost_usd),
        tokens_in=_sum(earlier.tokens_in, later.tokens_in),
        tokens_out=_sum(earlier.tokens_out, later.tokens_out),
        cache_read=_sum(earlier.cache_read, later.cache_read),
        cache_write=_sum(earlier.cache_write, later.cache_write),
        cache_write_1h=_sum(earlier.cache_write_1h, later.cache_write_1h),
        tokens_image=_sum(earlier.tokens_image, later.tokens_image),
        duration_s=_first(later.duration_s, earlier.duration_s),
        code=_first(later.code, earlier.code),
        started_at=_first(earlier.started_at, later.started_at),
        ended_at=ends.ended_at,
        started_seq=_first(earlier.started_seq, later.started_seq),
        ended_seq=ends.ended_seq,
        unconfirmed_usd=_first(later.unconfirmed_usd, earlier.unconfirmed_usd),
    )


def _first[T](one: T | None, other: T | None) -> T | None:
    return other if one is None else one


def _sum[T: (int, float)](one: T | None, other: T | None) -> T | None:
    return one + other if one is not None and other is not None else _first(one, other)
