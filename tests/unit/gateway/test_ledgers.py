"""The bill as lines comes to the same sums as the ledger of the rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.insight import ledgers
from shared.domain import events as e
from shared.domain.ledger import ledger
from shared.domain.values import Stage, Usage
from shared.testing import NOW, POST

_END = (
    *("open", "settled", "failed", "failed_then_late", "cut", "cut_then_late"),
    *("abandoned", "late"),
)


def attempt(number: int, end: str, cost: float) -> list[e.PostEvent]:
    name = {
        "post_id": POST,
        "at": NOW,
        "stage": Stage.WRITE,
        "run": 3,
        "key": "draft",
        "attempt": number,
        "token": "t",
    }
    usage = Usage(model="m", tokens_in=1, tokens_out=2)
    paid = {"provider": "claude", "usage": usage, "cost_usd": cost, "prices": "p"}
    started = e.CallStarted.model_validate(
        {**name, "provider": "claude", "model": "m", "request": "r", "worst_case_usd": 9.0}
    )
    abandoned = e.CallAbandoned.model_validate({**name, "reason": "drained", "worst_case_usd": 9.0})
    more = {"request": "r", "text": "t", "duration_s": 1.0}
    broken = {
        "code": "timeout",
        "message": "m",
        "transient": True,
        "max_attempts": 3,
        "tries": 1,
    }
    late = e.CallSettledLate.model_validate({**name, **paid})
    failed = e.CallFailed.model_validate({**name, **paid, **broken})
    cut = failed.model_copy(update={"unconfirmed_usd": 9.0})
    endings: dict[str, list[e.PostEvent]] = {
        "open": [],
        "settled": [e.CallSettled.model_validate({**name, **paid, **more})],
        "failed": [failed],
        "failed_then_late": [failed, late],
        "cut": [cut],
        "cut_then_late": [cut, late],
        "abandoned": [abandoned],
        "late": [abandoned, late],
    }
    return [started, *endings[end]]


@given(st.lists(st.tuples(st.sampled_from(_END), st.floats(min_value=0, max_value=10)), max_size=6))
def test_both_ledgers_agree(calls: list[tuple[str, float]]) -> None:
    facts = [
        fact for number, (end, cost) in enumerate(calls, 1) for fact in attempt(number, end, cost)
    ]
    recorded = [e.Recorded(seq, fact) for seq, fact in enumerate(facts, 1)]
    ours, rule = ledgers.ledger(ledgers.lines(recorded)), ledger(recorded)
    assert ours.settled_usd == pytest.approx(rule.settled_usd, abs=1e-6)
    assert [(line.attempt, line.open, line.worst_case_usd) for line in ours.unconfirmed] == [
        (line.call.attempt, line.open, line.worst_case_usd) for line in rule.unconfirmed
    ]
