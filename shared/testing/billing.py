"""The journal of paid calls in a few words: what was claimed, how it ended, what it cost.

Everything belongs to the research stage and to the call "draft" unless a story says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from hypothesis import strategies as st

from shared.domain import events as e
from shared.domain.values import Stage, Usage
from shared.testing import NOW, POST

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

type Abandonment = Literal["ambiguous after crash", "cancelled", "drained", "superseded"]


def _name(run: int, key: str, attempt: int, at: datetime = NOW) -> dict[str, Any]:
    return {
        "post_id": POST,
        "at": at,
        "stage": Stage.RESEARCH,
        "run": run,
        "key": key,
        "attempt": attempt,
        "token": f"token-{run}-{key}-{attempt}",
    }


def claimed(
    run: int = 3, key: str = "draft", attempt: int = 1, *, request: str = "asked", worst: float = 1
) -> e.CallStarted:
    return e.CallStarted(
        **_name(run, key, attempt),
        provider="claude",
        model="a-model",
        request=request,
        worst_case_usd=worst,
    )


def settled(
    run: int = 3,
    key: str = "draft",
    attempt: int = 1,
    *,
    request: str = "asked",
    text: str | None = "answer",
    cost: float = 0.25,
    model: str = "a-model",
    at: datetime = NOW,
) -> e.CallSettled:
    return e.CallSettled(
        **_name(run, key, attempt, at),
        provider="claude",
        request=request,
        text=text,
        usage=Usage(model=model),
        cost_usd=cost,
        prices="table",
        duration_s=1,
    )


def refused(
    run: int = 3, key: str = "draft", attempt: int = 1, *, cost: float = 0, at: datetime = NOW
) -> e.CallFailed:
    return e.CallFailed(
        **_name(run, key, attempt, at),
        provider="claude",
        code="overloaded",
        message="busy",
        transient=True,
        max_attempts=4,
        tries=attempt,
        cost_usd=cost,
    )


def abandoned(
    run: int = 3,
    key: str = "draft",
    attempt: int = 1,
    *,
    reason: Abandonment = "ambiguous after crash",
    worst: float = 1,
) -> e.CallAbandoned:
    return e.CallAbandoned(**_name(run, key, attempt), reason=reason, worst_case_usd=worst)


def billed_late(
    run: int = 3, key: str = "draft", attempt: int = 1, *, cost: float = 0.25
) -> e.CallSettledLate:
    return e.CallSettledLate(
        **_name(run, key, attempt),
        provider="claude",
        usage=Usage(model="a-model"),
        cost_usd=cost,
        prices="table",
    )


def reused(
    run: int = 3, key: str = "draft", attempt: int = 1, *, request: str = "asked"
) -> e.CallReused:
    return e.CallReused(
        **_name(run, key, attempt),
        provider="claude",
        request=request,
        text="the parent's answer",
        parent=POST,
        origin=1,
    )


def taken_up(delivery: int, run: int = 3, worker: str = "w1") -> e.StageStarted:
    return e.StageStarted(
        post_id=POST, at=NOW, stage=Stage.RESEARCH, run=run, delivery=delivery, worker=worker
    )


def recorded(facts: Iterable[e.PostEvent], first: int = 1) -> tuple[e.Recorded, ...]:
    """Facts of all kinds, at the sequences from `first` on."""
    return tuple(e.Recorded(first + i, fact) for i, fact in enumerate(facts))


@st.composite
def journals(draw: st.DrawFn) -> tuple[e.Recorded, ...]:
    """A lawful call journal: attempts one after the other, each ended at most once."""
    facts: list[e.PostEvent] = []
    for run, key in draw(st.sets(st.tuples(st.integers(1, 4), st.sampled_from("abc")), max_size=6)):
        for attempt in range(1, 1 + draw(st.integers(1, 3))):
            facts += draw(_attempt(run, key, attempt))
    return recorded(facts)


def _attempt(run: int, key: str, attempt: int) -> st.SearchStrategy[list[e.PostEvent]]:
    """Every way an attempt can stand in the journal."""
    name, claim = (run, key, attempt), claimed(run, key, attempt)
    cost = st.floats(0, 10)
    lost: list[e.PostEvent] = [claim, abandoned(*name)]
    return st.one_of(
        st.just([claim]),
        st.just(lost),
        cost.map(lambda usd: [claim, settled(*name, cost=usd)]),
        cost.map(lambda usd: [claim, refused(*name, cost=usd)]),
        cost.map(lambda usd: [*lost, billed_late(*name, cost=usd)]),
    )
