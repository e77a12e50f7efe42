"""What is due without anybody asking: the right command, and a lost race is nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from services.gateway import duties
from services.gateway.control.commands import execute
from services.gateway.duties import owed
from shared.domain.commands import ApproveStage, DeferStage, ExpireGate, WakeStage
from shared.domain.events import GateExpired, StageApproved
from shared.domain.post import Post
from shared.domain.values import Stage

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.gateway.conftest import House


async def waiting(house: House, **gate: object) -> UUID:
    post = await house.posted(stage_settings={"research": "review"}, **gate)
    await house.complete(post, Stage.RESEARCH)
    return post


async def folded(house: House, post: UUID) -> Post:
    return (await house.events.read(house.ref(post))).post


async def expire(house: House, post: UUID) -> None:
    """As the loop does with a post whose row says that it is due."""
    command = owed(await folded(house, post), house.ref(post))
    assert isinstance(command, ExpireGate)
    await house.done(command)


async def decisions(house: House, post: UUID) -> list[str]:
    history = await house.events.read(house.ref(post))
    found = (fact for _, fact in history.flow if isinstance(fact, GateExpired | StageApproved))
    return [type(fact).__name__ for fact in found]


async def test_a_post_at_work_or_at_rest_is_owed_nothing(house: House) -> None:
    post = await house.posted()
    assert owed(await folded(house, post), house.ref(post)) is None
    assert owed(Post(), house.ref(post)) is None


async def test_a_review_without_a_deadline_waits_for_ever(house: House) -> None:
    post = await waiting(house)
    house.later(days=3650)
    assert owed(await folded(house, post), house.ref(post)) is None


async def test_a_deferred_run_is_owed_its_waking(house: House) -> None:
    post = await house.posted()
    run, until = await house.run(post), house.at[0] + timedelta(minutes=1)
    await house.done(DeferStage(post_id=post, stage=Stage.RESEARCH, run=run, until=until))
    command = owed(await folded(house, post), house.ref(post))
    assert command == WakeStage(post_id=post, run=run)


async def test_before_its_deadline_a_gate_stands(house: House) -> None:
    post = await waiting(house, gate_deadline_s=60, gate_outcome="approve")
    house.later(seconds=59)
    await expire(house, post)
    assert await decisions(house, post) == []
    house.later(seconds=1)
    await expire(house, post)
    assert await decisions(house, post) == ["GateExpired"]


@pytest.mark.parametrize(("outcome", "stage"), [("approve", Stage.OUTLINE), ("cancel", None)])
async def test_the_outcome_goes_on_or_stops(
    house: House, outcome: str, stage: Stage | None
) -> None:
    post = await waiting(house, gate_deadline_s=60, gate_outcome=outcome)
    house.later(seconds=60)
    await expire(house, post)
    now = await folded(house, post)
    assert (now.active.stage if now.active else None) is stage
    assert now.cancelled == (outcome == "cancel")
    assert now.review is None


@pytest.mark.parametrize("first", ["person", "clock"])
async def test_of_an_approval_and_an_expiry_that_read_the_same_history_one_wins(
    house: House, first: str
) -> None:
    post = await waiting(house, gate_deadline_s=60, gate_outcome="approve")
    house.later(seconds=60)
    review = (await folded(house, post)).review
    assert review is not None
    approve = ApproveStage(post_id=post, actor="ann", review=review.seq)
    expiry = ExpireGate(post_id=post, review=review.seq)
    ahead, behind = (approve, expiry) if first == "person" else (expiry, approve)

    async def meanwhile() -> None:
        await house.done(ahead)

    house.events.before["append"] = meanwhile
    outcome = await asyncio.gather(
        execute(house.events, house.ref(post), behind, house.gateway.clock),
        return_exceptions=True,
    )
    wanted = "StageApproved" if first == "person" else "GateExpired"
    assert await decisions(house, post) == [wanted]
    assert isinstance(outcome[0], Exception) == (first == "clock")


async def test_many_replicas_expire_a_gate_once(house: House) -> None:
    post = await waiting(house, gate_deadline_s=60, gate_outcome="approve")
    house.later(seconds=60)
    command = owed(await folded(house, post), house.ref(post))
    assert command is not None
    await asyncio.gather(*(house.done(command) for _ in range(10)))
    assert await decisions(house, post) == ["GateExpired"]


async def test_a_round_without_the_read_model_says_so_and_does_nothing(house: House) -> None:
    await waiting(house, gate_deadline_s=60, gate_outcome="approve")
    house.later(seconds=60)
    stored = len(house.events.messages)
    with capture_logs() as lines:
        await duties.once(house.gateway)
        await duties.once(house.gateway)
    assert [line["event"] for line in lines] == ["duties.read_model_away"] * 2
    assert len(house.events.messages) == stored
