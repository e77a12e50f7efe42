"""Streams end with their post, cleanly, and none is opened that would never end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.domain.values import Stage
from tests.unit.gateway.listener import listening
from tests.unit.gateway.test_streams import say, watching

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.gateway.conftest import House


async def delete(house: House, post: UUID) -> None:
    answer = await house.client.delete(f"/api/posts/{post}")
    assert answer.status_code == 204


async def refused(house: House, post: UUID, headers: dict[str, str]) -> None:
    async with house.client.stream("GET", f"/api/events/{post}", headers=headers) as answer:
        assert answer.status_code == 404
        await answer.aread()
        assert answer.json()["code"] == "no-such-post"
    assert watching(house) == []


@pytest.mark.parametrize("headers", [{}, {"Last-Event-ID": "0"}, {"Last-Event-ID": "1000000"}])
async def test_a_deleted_post_has_no_stream(served: House, headers: dict[str, str]) -> None:
    post = await served.posted()
    await delete(served, post)
    await refused(served, post, headers)


async def test_a_stream_ends_when_its_post_is_deleted_and_no_other_does(served: House) -> None:
    post, other = await served.posted(), await served.posted()
    async with (
        listening(served.client, f"/api/events/{post}") as ending,
        listening(served.client, f"/api/events/{other}") as going_on,
        listening(served.client, "/api/events") as common,
    ):
        assert [(await each.next()).name for each in (ending, going_on)] == ["snapshot"] * 2
        await delete(served, post)
        assert await ending.rest() == []
        await say(served, other, "still told")
        for listener in (going_on, common):
            assert (await listener.next()).data["message"] == "still told"


async def test_a_post_that_is_deleted_while_its_stream_opens_has_none(served: House) -> None:
    post = await served.posted()
    await served.complete(post, Stage.RESEARCH)

    async def meanwhile() -> None:
        await delete(served, post)
        await served.gateway.feed.reached(len(served.events.messages))

    served.events.before["answer of last"] = meanwhile
    await refused(served, post, {})
