"""Two tenants on one press: lists, counts, costs, searches and logs are each one's own, and what is
due is done for both."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from services.gateway import duties
from services.gateway.control.commands import execute
from shared.domain.commands import CompleteStage
from shared.domain.subjects import PostRef
from shared.domain.values import Stage
from tests.integration.jetstream.server import galley_nats  # noqa: F401
from tests.integration.test_gateway import TOOK, plant  # noqa: F401

if TYPE_CHECKING:
    from tests.integration.test_gateway import Plant

pytestmark = pytest.mark.integration

LISTS = (
    "/",
    "/api/posts",
    "/api/posts?q=secret",
    "/api/queue",
    "/api/queue/review",
    "/api/queue/dead-letter",
    "/api/logs",
    "/api/logs?q=secret",
    "/api/costs",
    "/api/costs?group=profile",
    "/api/budgets",
    "/api/profiles",
    "/api/keys",
)


async def worked_on(plant: Plant) -> UUID:  # noqa: F811
    """A post of `main` that has cost something, said something and waits for a person."""
    post = await plant.posted(
        topic="A secret topic",
        stage_settings={"research": "review"},
        gate_deadline_s=60,
        gate_outcome="approve",
    )
    await plant.pay(post, await plant.run(post), settle=True)
    await plant.say(post, "a secret line")
    await plant.complete(post, Stage.RESEARCH)
    return post


async def of_other(plant: Plant) -> dict[str, str]:  # noqa: F811
    order = {"name": "eve", "role": "admin", "tenant": "other"}
    key = (await plant.client.post("/api/keys", json=order)).json()["key"]
    return {"Authorization": f"Bearer {key}"}


async def told(plant: Plant, eve: dict[str, str]) -> dict[str, Any]:  # noqa: F811
    """What every list tells the other tenant."""
    answers = {path: await plant.client.get(path, headers=eve) for path in LISTS}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {path: answer.text for path, answer in answers.items()}


async def test_no_list_count_or_search_tells_of_another_tenant(plant: Plant) -> None:  # noqa: F811
    eve = await of_other(plant)
    async with plant.projecting():
        pass
    empty = await told(plant, eve)
    async with plant.projecting():
        post = await worked_on(plant)
    assert (await plant.get("/api/queue"))["total"] == 1
    now = await told(plant, eve)
    assert [path for path, text in now.items() if "secret" in text or str(post) in text] == []
    moved = {path for path in LISTS if _without_times(now[path]) != _without_times(empty[path])}
    assert moved == set()


def _without_times(text: str) -> str:
    """The time and the sequence up to which the rows were read belong to the whole press."""
    return re.sub(r'"(seq|last_used|as_of)":("[^"]*"|\d+|null)', "", text)


async def test_what_is_due_is_done_for_every_tenant(plant: Plant) -> None:  # noqa: F811
    eve = await of_other(plant)
    plant.client.headers.update(eve)
    body = {
        "topic": "T",
        "stage_settings": {"research": "review"},
        "gate_deadline_s": 60,
        "gate_outcome": "approve",
    }
    made = (await plant.client.post("/api/posts", json=body)).json()
    ref = PostRef("other", UUID(made["id"]))
    active = (await plant.gateway.events.read(ref)).post.active
    assert active is not None
    done = CompleteStage(
        post_id=ref.id, stage=Stage.RESEARCH, run=active.run, output="# T", metrics=TOOK
    )
    await execute(await plant.log("research"), ref, done, lambda: plant.at[0])
    async with plant.projecting():
        pass
    plant.at[0] += timedelta(seconds=61)
    await duties.once(plant.gateway)
    now = (await plant.gateway.events.read(ref)).post
    assert now.review is None
    assert now.active is not None
