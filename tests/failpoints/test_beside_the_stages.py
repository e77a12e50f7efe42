"""What works beside the stages may die at any of these places too: what was accepted is done once,
rows and streams lose and double nothing, and what is to be erased is erased.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest

from shared.domain.events import GateExpired, PostCreated, PostDeleted, StageApproved
from shared.domain.subjects import slug_subject
from shared.jetstream import open_media
from tests.e2e.log_reader import replayed
from tests.e2e.press import PATIENCE, PAUSE, SHORT
from tests.failpoints.rig import TOPIC, ref_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.eventlog import Stored
    from tests.failpoints.rig import Rig

ERASED = "select erased_at is not null from posts where id = $1"


async def dying(rig: Rig, process: str, entry: str) -> asyncio.Task[int]:
    """Until the process has died there and another was started, while a test goes on."""
    rig.arm(process, [entry])
    return asyncio.create_task(rig.struck(process, entry, rig.press.plant.pids()[process]))


async def kept_asking(ask: Callable[[], Any]) -> httpx.Response:
    """The answer, whatever becomes of the gateway meanwhile."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer: httpx.Response = await ask()
            except httpx.TransportError:
                await asyncio.sleep(PAUSE)
            else:
                return answer


async def created(rig: Rig, **fields: object) -> str:
    made = await rig.press.gateway.create(TOPIC, fields={"word_count": SHORT, **fields})
    return str(made["id"])


@pytest.mark.parametrize("place", ["projector.read", "projector.unwritten", "projector.written"])
async def test_the_rows_say_what_the_log_says_when_the_projector_dies(rig: Rig, place: str) -> None:
    death = await dying(rig, "projector", place)
    post = await rig.press.finished(await created(rig))
    await death
    assert await replayed(rig.press, [post["id"]]) == [post]


@pytest.mark.parametrize("place", ["gateway.decided", "gateway.stored"])
async def test_a_command_whose_gateway_dies_is_carried_out_once_when_it_is_repeated(
    rig: Rig, place: str
) -> None:
    slug = place.replace(".", "-")
    order = {"topic": TOPIC, "slug": slug, "word_count": SHORT}
    gates = {"stage_settings": {"research": "approve_only"}}
    death = await dying(rig, "gateway", place)
    made = await kept_asking(lambda: posted(rig, "", f"{place}-create", order | gates))
    await death
    assert made.status_code == httpx.codes.CREATED, made.text
    post = made.json()["id"]
    await rig.press.until(post, "stage_review")

    death = await dying(rig, "gateway", place)
    told = await kept_asking(lambda: posted(rig, f"/{post}/approve", f"{place}-approve", None))
    await death
    assert told.is_success, told.text
    await rig.press.finished(post)
    flow = (await rig.log.read(ref_of(post))).flow
    assert [isinstance(fact, PostCreated) for _, fact in flow].count(True) == 1
    assert [isinstance(fact, StageApproved) for _, fact in flow].count(True) == 1
    listed = await rig.press.http.get("/api/posts", params={"q": slug})
    assert [each["id"] for each in listed.json()["items"]] == [post]


async def posted(rig: Rig, path: str, key: str, body: object) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    return await rig.press.http.post(f"/api/posts{path}", json=body, headers=headers)


async def test_a_stream_goes_on_where_it_was_cut_when_the_gateway_dies(rig: Rig) -> None:
    post = await created(rig)
    death = await dying(rig, "gateway", "gateway.streaming@3")
    lived = await rig.press.story(post)
    await death
    whole = await rig.press.story(post)
    ids = [event.id for event in lived]
    assert ids == sorted(set(ids), key=int)
    assert ids == [event.id for event in whole]


@pytest.mark.parametrize("place", ["duty.due", "duty.done"])
async def test_a_review_is_decided_once_when_the_gateway_dies_over_its_deadline(
    rig: Rig, place: str
) -> None:
    death = await dying(rig, "gateway", place)
    gates = {"research": "approve_only"}
    terms = {"gate_deadline_s": 1, "gate_outcome": "approve"}
    post = await created(rig, stage_settings=gates, **terms)
    await rig.press.finished(post)
    await death
    flow = (await rig.log.read(ref_of(post))).flow
    assert [isinstance(fact, GateExpired) for _, fact in flow].count(True) == 1


@pytest.mark.parametrize(
    "place",
    ["eraser.found", "eraser.released", "eraser.erased", "eraser.removed", "eraser.settled"],
)
async def test_a_deleted_post_is_erased_when_the_eraser_dies(rig: Rig, place: str) -> None:
    post = await rig.press.finished(await created(rig))
    pictures = [image["blob"]["name"] for image in post["image_manifest"]["images"]]
    death = await dying(rig, "projector", place)
    await rig.press.gateway.delete(post["id"])
    await death
    await erased(rig, post["id"])
    left = await story(rig, post["id"])
    assert [isinstance(each.fact, PostDeleted) for each in left].count(True) == 1
    assert not any(isinstance(each.fact, PostCreated) for each in left)
    assert TOPIC.encode() not in b"".join(each.data for each in left)
    subject = slug_subject("main", post["profile_id"], post["slug"])
    assert await rig.log.newest(subject) is None
    media = open_media(rig.connection)
    assert [await media.get(name) for name in pictures] == [None] * len(pictures)


async def story(rig: Rig, post: str) -> list[Stored]:
    async with aclosing(rig.log.story(ref_of(post))) as stored:  # type: ignore[type-var]
        return [each async for each in stored]


async def erased(rig: Rig, post: str) -> None:
    """Until the rows say that it is done with."""
    rows = await asyncpg.connect(rig.dsn)
    try:
        async with asyncio.timeout(PATIENCE):
            while not await rows.fetchval(ERASED, post):
                await asyncio.sleep(PAUSE)
    finally:
        await rows.close()
