"""The media store on a real server: what was tampered with is not handed out."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from nats.js.api import ObjectInfo

from shared.domain.values import Stage
from shared.errors import LogUnavailable, Malformed
from shared.jetstream import GATEWAY, open_media

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.jetstream import Connection, JetStreamMedia
    from tests.integration.jetstream.conftest import Mortal
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration

PICTURE = bytes(range(256)) * 2000


@pytest.fixture
async def images(admin: Connection, galley_nats: GalleyNats) -> AsyncIterator[Connection]:
    async with galley_nats.connect("images") as connection:
        yield connection


@pytest.fixture
def media(images: Connection) -> JetStreamMedia:
    return open_media(images)


async def chunks(admin: Connection) -> list[int]:
    """The sequences of all stored pieces."""
    js = admin.nc.jetstream()
    info = await js.stream_info("OBJ_MEDIA")
    found = []
    for seq in range(info.state.first_seq, info.state.last_seq + 1):
        message = await js.get_msg("OBJ_MEDIA", seq)
        if message.subject and message.subject.startswith("$O.MEDIA.C."):
            found.append(seq)
    return found


async def test_the_same_bytes_are_stored_once(media: JetStreamMedia, admin: Connection) -> None:
    await media.put("post/a", PICTURE)
    before = (await admin.nc.jetstream().stream_info("OBJ_MEDIA")).state
    await media.put("post/a", PICTURE)
    assert (await admin.nc.jetstream().stream_info("OBJ_MEDIA")).state == before


async def test_many_at_once_put_the_same_bytes(media: JetStreamMedia) -> None:
    await asyncio.gather(*(media.put("post/a", PICTURE) for _ in range(5)))
    assert await media.get("post/a") == PICTURE


@pytest.mark.parametrize("user", [Stage.IMAGES, GATEWAY])
async def test_whoever_makes_or_receives_pictures_may_store_them(
    user: str, admin: Connection, galley_nats: GalleyNats
) -> None:
    async with galley_nats.connect(user) as connection:
        media = open_media(connection)
        await asyncio.gather(*(media.put("post/a", PICTURE) for _ in range(3)))
        assert await media.get("post/a") == PICTURE


async def test_a_missing_piece_is_noticed(media: JetStreamMedia, admin: Connection) -> None:
    await media.put("post/a", PICTURE)
    await admin.nc.jetstream().delete_msg("OBJ_MEDIA", (await chunks(admin))[1])
    with pytest.raises(Malformed):
        await media.get("post/a")


async def test_a_changed_piece_is_noticed(
    media: JetStreamMedia, images: Connection, admin: Connection
) -> None:
    await media.put("post/a", PICTURE)
    js = admin.nc.jetstream()
    last = (await chunks(admin))[-1]
    piece = await js.get_msg("OBJ_MEDIA", last)
    await js.delete_msg("OBJ_MEDIA", last)
    assert piece.subject
    assert piece.data
    await images.nc.jetstream().publish(piece.subject, bytes(len(piece.data)))
    with pytest.raises(Malformed):
        await media.get("post/a")


async def test_a_description_that_is_none_is_noticed(
    media: JetStreamMedia, images: Connection
) -> None:
    await media.put("post/a", PICTURE)
    for told in (b"", b"[]", b"{}", b'{"name":"post/a","nuid":"x","digest":"!"}', b"\xff"):
        await images.nc.jetstream().publish("$O.MEDIA.M.cG9zdC9h", told)
        with pytest.raises(Malformed):
            await media.get("post/a")


async def test_the_gateway_reads_and_the_eraser_removes(
    media: JetStreamMedia, galley_nats: GalleyNats
) -> None:
    names = [f"post/{n}" for n in range(3)]
    for name in names:
        await media.put(name, PICTURE)
    async with galley_nats.connect(GATEWAY) as gateway, galley_nats.connect("eraser") as eraser:
        reader = open_media(gateway)
        assert await reader.get("post/1") == PICTURE
        assert await open_media(eraser).remove("post/") == 3
        assert [await reader.get(name) for name in names] == [None] * 3
        assert list(gateway.alarms) == list(eraser.alarms) == []


async def test_who_makes_pictures_takes_one_back_without_a_right_to_purge(
    media: JetStreamMedia, images: Connection, admin: Connection
) -> None:
    await media.put("post/a", PICTURE)
    await media.put("post/b", PICTURE)
    assert await media.remove("post/a") == 1
    assert (await media.get("post/a"), await media.get("post/b")) == (None, PICTURE)
    kept = (await admin.nc.jetstream().stream_info("OBJ_MEDIA")).state
    assert kept.bytes < 2 * len(PICTURE)
    assert list(images.alarms) == []


async def test_erasing_a_post_finds_the_pieces_of_a_write_that_never_ended(
    media: JetStreamMedia, images: Connection, admin: Connection, galley_nats: GalleyNats
) -> None:
    await media.put("post/a", PICTURE)
    await media.put("other/a", PICTURE)
    await images.nc.jetstream().publish("$O.MEDIA.C.post.unfinished", PICTURE[:1000])
    async with galley_nats.connect("eraser") as eraser:
        await open_media(eraser).remove("post/")
    state = (await admin.nc.jetstream().stream_info("OBJ_MEDIA", subjects_filter="$O.>")).state
    subjects = state.subjects or {}
    assert [each for each in subjects if each.startswith("$O.MEDIA.C.post.")] == []
    assert await media.get("other/a") == PICTURE


async def test_any_client_of_the_object_store_reads_what_was_put(
    media: JetStreamMedia, admin: Connection
) -> None:
    await media.put("post/a", PICTURE)
    store = await admin.nc.jetstream().object_store("MEDIA")
    item = await admin.nc.jetstream().get_last_msg("OBJ_MEDIA", "$O.MEDIA.M.>")
    told = ObjectInfo.from_response(json.loads(item.data or b"{}"))
    assert (told.name, told.size, told.bucket) == ("post/a", len(PICTURE), store._name)


async def test_without_a_server_media_end_with_an_error(mortal: Mortal) -> None:
    async with mortal.galley.connect("images") as connection:
        media = open_media(connection)
        await media.put("post/a", PICTURE)
        await mortal.kill()
        with pytest.raises(LogUnavailable):
            await media.get("post/a")
        with pytest.raises(LogUnavailable):
            await media.put("post/b", PICTURE)
        await mortal.start()
        assert await media.get("post/a") == PICTURE
