"""How streams end on the real log: with their post, or cut and resumable, never in silence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared.domain.values import ORDER
from tests.integration.jetstream.server import galley_nats  # noqa: F401
from tests.integration.test_gateway import plant  # noqa: F401
from tests.unit.gateway.listener import barely_reading, listening

if TYPE_CHECKING:
    from services.gateway.streams.feed import Subscription
    from tests.integration.test_gateway import Plant

pytestmark = pytest.mark.integration


def watching(plant: Plant, post: UUID) -> list[Subscription]:  # noqa: F811
    return [*plant.gateway.feed._watching.get(("main", post), ())]


async def told(plant: Plant, post: UUID) -> list[int]:  # noqa: F811
    """The ids that the post's stream has to have told, by its execution log."""
    page = await plant.get(f"/api/posts/{post}/logs", limit=5_000)
    assert page["next"] is None
    return [entry["seq"] for entry in page["items"]]


async def test_a_finished_post_s_stream_tells_its_end_and_is_open_for_what_may_follow(
    plant: Plant,  # noqa: F811
) -> None:
    post = await plant.posted()
    await plant.complete(post, *ORDER)
    async with plant.projecting(), listening(plant.client, f"/api/events/{post}", 0) as listener:
        story = await listener.until("pipeline_complete")
        assert [event.id for event in story] == await told(plant, post)
        answer = await plant.client.post(f"/api/posts/{post}/rerun/edit")
        assert answer.status_code == 202
        again = await listener.next()
        assert (again.name, again.id) == ("pipeline_start", (await told(plant, post))[-1])


async def test_a_stream_ends_cleanly_when_its_post_is_deleted(plant: Plant) -> None:  # noqa: F811
    post, other = await plant.posted(), await plant.posted()
    path = f"/api/events/{post}"
    async with (
        listening(plant.client, path) as ending,
        listening(plant.client, f"/api/events/{other}") as going_on,
    ):
        assert [(await each.next()).name for each in (ending, going_on)] == ["snapshot"] * 2
        assert (await plant.client.delete(f"/api/posts/{post}")).status_code == 204
        assert await ending.rest() == []
        await plant.say(other, "still told")
        assert (await going_on.next()).data["message"] == "still told"
    for missing in (path, f"/api/events/{UUID(int=9)}"):
        for headers in ({}, {"Last-Event-ID": str(ending.last_id)}):
            async with plant.client.stream("GET", missing, headers=headers) as answer:
                assert answer.status_code == 404
    assert watching(plant, post) == []


async def test_a_client_that_does_not_read_is_cut_at_its_bound_and_resumes_without_loss(
    plant: Plant,  # noqa: F811
) -> None:
    post = await plant.posted()
    path, capacity = f"/api/events/{post}", 20
    plant.gateway.feed._capacity = capacity
    reader, writer = await barely_reading(plant.client, f"{path}?last_event_id=0")
    await reader.readuntil(b"\r\n\r\n")
    [slow] = watching(plant, post)
    async with listening(plant.client, path) as quick:
        await quick.next()
        while not slow.over.is_set():
            await plant.say(post, f"{quick.last_id} " + "x" * 20_000)
            await quick.next()
            assert slow._queue.qsize() <= capacity
    seen = [int(each) for each in re.findall(rb"id: (\d+)\nevent", await reader.read())]
    writer.close()
    async with plant.projecting():
        pass
    expected = await told(plant, post)
    assert len(seen) < len(expected)
    async with listening(plant.client, path, last=seen[-1] if seen else 0) as listener:
        rest = await listener.some(len(expected) - len(seen))
    assert [*seen, *(event.id for event in rest)] == expected
