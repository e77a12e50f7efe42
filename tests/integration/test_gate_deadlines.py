"""Gates with a deadline on the real log: decided once, whoever looks; held by nobody meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway import duties
from shared.domain.commands import DeferStage
from shared.domain.events import (
    GateExpired,
    PipelineCancelled,
    ReviewRequested,
    StageApproved,
    StageRejected,
)
from shared.domain.values import Stage
from shared.jetstream import ADMIN, GATEWAY, open_inbox, open_log
from shared.runtime.desk import Desk, Work
from shared.runtime.health import Pulse
from shared.runtime.worker import Worker
from tests.integration.jetstream.server import galley_nats  # noqa: F401
from tests.integration.test_gateway import Plant, facts, plant  # noqa: F401
from tests.unit.runtime.bench import Bench

if TYPE_CHECKING:
    from uuid import UUID

    from services.gateway.context import Gateway
    from shared.domain.post import Post

# ruff: noqa: F811  (pytest's fixtures are named as what they give)
pytestmark = pytest.mark.integration


async def waiting(plant: Plant, outcome: str) -> UUID:
    """A post whose research waits a minute for a person, as the rows know it too."""
    post = await plant.posted(
        stage_settings={"research": "review"}, gate_deadline_s=60, gate_outcome=outcome
    )
    await plant.complete(post, Stage.RESEARCH)
    async with plant.projecting():
        pass
    return post


async def replicas(plant: Plant, count: int) -> list[Gateway]:
    """As many gateways, each with a connection of its own."""
    made = []
    for _ in range(count):
        connection = await plant.stack.enter_async_context(plant.nats.connect(GATEWAY))
        made.append(replace(plant.gateway, events=open_log(connection, GATEWAY)))
    return made


async def folded(plant: Plant, post: UUID) -> Post:
    return (await plant.gateway.events.read(plant.ref(post))).post


@pytest.mark.parametrize(("outcome", "stage"), [("approve", "outline"), ("cancel", "cancelled")])
async def test_a_gate_past_its_deadline_is_decided_once_by_many_replicas(
    plant: Plant, outcome: str, stage: str
) -> None:
    post = await waiting(plant, outcome)
    gateways = await replicas(plant, 3)
    await asyncio.gather(*(duties.once(each) for each in gateways))
    assert await facts(plant, post, GateExpired) == 0
    plant.at[0] += timedelta(seconds=60)
    await asyncio.gather(*(duties.once(each) for each in gateways * 3))
    assert await facts(plant, post, GateExpired) == 1
    assert await facts(plant, post, PipelineCancelled) == (outcome == "cancel")
    assert (await plant.get(f"/api/posts/{post}"))["current_stage"] == stage


@pytest.mark.parametrize("outcome", ["approve", "cancel"])
@pytest.mark.parametrize("said", ["approve", "reject"])
async def test_a_decision_at_the_moment_of_the_deadline_is_the_only_one_or_none(
    plant: Plant, outcome: str, said: str
) -> None:
    posts = [await waiting(plant, outcome) for _ in range(3)]
    (other,) = await replicas(plant, 1)
    reviews = {post: (await folded(plant, post)).review for post in posts}

    async def answer(post: UUID) -> int:
        review = reviews[post]
        assert review is not None
        body = {"review": review.seq}
        return (await plant.client.post(f"/api/posts/{post}/{said}", json=body)).status_code

    plant.at[0] += timedelta(seconds=60)
    answers, *_ = await asyncio.gather(
        asyncio.gather(*map(answer, posts)), duties.once(plant.gateway), duties.once(other)
    )
    for post, status in zip(posts, answers, strict=True):
        expired = await facts(plant, post, GateExpired)
        decided = await facts(plant, post, StageApproved) + await facts(plant, post, StageRejected)
        assert expired + decided == 1
        assert (status < 300) == (decided == 1)


async def test_a_review_answered_in_time_leaves_nothing_to_expire(plant: Plant) -> None:
    post = await waiting(plant, "cancel")
    answer = await plant.client.post(f"/api/posts/{post}/approve", json={})
    assert answer.status_code < 300
    plant.at[0] += timedelta(hours=1)
    await duties.once(plant.gateway)
    assert await facts(plant, post, GateExpired) == 0
    assert (await folded(plant, post)).active is not None


async def test_a_changed_deadline_moves_the_review_that_waits(plant: Plant) -> None:
    post = await waiting(plant, "cancel")
    answer = await plant.client.patch(f"/api/posts/{post}", json={"gate_deadline_s": 7_200})
    assert answer.status_code == 200, answer.text
    plant.at[0] += timedelta(hours=1)
    async with plant.projecting():
        pass
    assert await plant.gateway.rows.due(plant.at[0], 10) == []
    await duties.once(plant.gateway)
    assert await facts(plant, post, GateExpired) == 0
    sooner = {"gate_deadline_s": 1_800, "gate_outcome": "approve"}
    assert (await plant.client.patch(f"/api/posts/{post}", json=sooner)).status_code == 200
    async with plant.projecting():
        pass
    await duties.once(plant.gateway)
    assert await facts(plant, post, GateExpired) == 1
    assert (await plant.get(f"/api/posts/{post}"))["current_stage"] == "outline"


async def test_paused_runs_whose_time_has_come_do_not_crowd_out_the_others(plant: Plant) -> None:
    post = await plant.posted()
    until = plant.at[0] + timedelta(seconds=60)
    run = await plant.run(post)
    deferred = DeferStage(post_id=post, stage=Stage.RESEARCH, run=run, until=until)
    await plant.do(Stage.RESEARCH, deferred)
    assert (await plant.client.post(f"/api/posts/{post}/pause")).status_code < 300
    async with plant.projecting():
        pass
    assert await plant.gateway.rows.due(until, 10) == []
    assert (await plant.client.post(f"/api/posts/{post}/resume")).status_code < 300
    async with plant.projecting():
        pass
    assert [ref.id for ref, _ in await plant.gateway.rows.due(until, 10)] == [post]
    plant.at[0] = until
    await duties.once(plant.gateway)
    assert (await folded(plant, post)).active is not None


async def test_a_post_that_waits_for_a_person_holds_no_worker_and_no_message(
    plant: Plant,
) -> None:
    async def function(_desk: Desk) -> Work:
        return Work(output="# Research", summary="done")

    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(plant.nats.connect(ADMIN))
        connection = await stack.enter_async_context(plant.nats.connect("research"))
        runner = Bench().runner(Stage.RESEARCH, function, open_log(connection, "research"))
        worker = Worker(open_inbox(connection, Stage.RESEARCH), runner, lambda: 2, Pulse(monotonic))
        turning = asyncio.create_task(worker.run())
        stack.callback(turning.cancel)
        post = await plant.posted(stage_settings={"research": "review"})
        while not await facts(plant, post, ReviewRequested):
            await asyncio.sleep(0.01)
        held = await _in_hand(admin, worker)
        plant.at[0] += timedelta(days=9)
        await duties.once(plant.gateway)
        assert held == (0, 0, 0)
        assert await _in_hand(admin, worker) == (0, 0, 0)
    assert (await folded(plant, post)).review is not None


async def _in_hand(admin: Any, worker: Worker) -> tuple[int, int, int]:
    """Runs in hand, messages unacked and messages waiting, once the worker has let go."""
    while worker.busy:
        await asyncio.sleep(0.01)
    info = await admin.nc.jetstream().consumer_info("GALLEY", "research")
    return worker.busy, info.num_ack_pending, info.num_pending
