"""One picture of an article: made anew, replaced by an upload, or described anew."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib
from dataclasses import replace
from itertools import accumulate
from threading import Event, Semaphore
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from services.gateway.control.redo import UPLOAD
from services.gateway.files.darkroom import AT_ONCE, MOST_WAITING, Darkroom
from services.gateway.web.body_limit import MAX_BODY
from shared.content.pictures import Webp, to_webp
from shared.domain.events import ContentEdited, StageRequested
from shared.domain.values import ORDER, Redo, Stage
from tests.unit.gateway.test_files import stored

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from tests.unit.gateway.conftest import House

NOBODY = "00000000-0000-4000-8000-000000000000"
PNG = {"Content-Type": "image/png"}


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30), colour: int = 99) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


async def illustrated(house: House, **body: Any) -> UUID:
    post = await house.posted(slug="dogs", **body)
    await house.complete(post, *ORDER[:4])
    kept = {"prompt": "A dog on a hill", "type": "content"}
    images = [{**await stored(house, post, f"a-{number}.webp"), **kept} for number in (1, 2)]
    manifest = {"style_brief": {}, "images": images, "total_generated": 2, "total_failed": 0}
    await house.complete(post, Stage.IMAGES, output=json.dumps(manifest))
    await house.complete(post, Stage.READY)
    return post


async def images_of(house: House, post: UUID) -> list[dict[str, Any]]:
    found = (await house.client.get(f"/api/posts/{post}")).json()["image_manifest"]["images"]
    return list(found)


async def upload(
    house: House, post: UUID | str, number: Any, data: bytes, **headers: str
) -> httpx.Response:
    return await house.client.put(
        f"/api/posts/{post}/images/{number}", content=data, headers={**PNG, **headers}
    )


async def describe(
    house: House, post: UUID | str, number: Any, by: str = "local", **body: Any
) -> httpx.Response:
    path, shown = f"/api/posts/{post}/images/{number}", house.key(by)
    return await house.client.patch(path, json=body, headers=shown)


async def redo(
    house: House, post: UUID | str, query: str = "image=2", **body: Any
) -> httpx.Response:
    return await house.client.post(f"/api/posts/{post}/rerun/images?{query}", json=body or None)


def edits(house: House) -> int:
    return sum(isinstance(each.fact, ContentEdited) for each in house.events.messages)


# --- made anew --------------------------------------------------------------------------------


async def test_one_picture_is_asked_for_in_a_run_of_its_own(house: House) -> None:
    post = await illustrated(house)
    answer = await redo(house, post, prompt="A cat", alt="Cat")
    assert (answer.status_code, answer.json()["stage"]) == (202, "images")
    last = house.events.messages[-1].fact
    assert isinstance(last, StageRequested)
    assert (last.redo, last.alone) == (Redo(image=2, prompt="A cat", alt="Cat"), True)


async def test_an_image_that_does_not_exist_is_missing(house: House) -> None:
    post = await illustrated(house)
    before = len(house.events.messages)
    answer = await redo(house, post, "image=3")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert len(house.events.messages) == before


@pytest.mark.parametrize("query", ["image=0", "image=-1", "image=x", "image=1001", "image="])
async def test_a_number_that_is_none_is_invalid(house: House, query: str) -> None:
    assert (await redo(house, await illustrated(house), query)).status_code == 422


@pytest.mark.parametrize(
    "body", [{"prompt": " "}, {"prompt": "x" * 4_001}, {"alt": "\x00"}, {"size": "2K"}, {"alt": ""}]
)
async def test_a_wish_that_says_nothing_sensible_is_invalid(
    house: House, body: dict[str, Any]
) -> None:
    assert (await redo(house, await illustrated(house), **body)).status_code == 422


async def test_only_pictures_have_a_number_and_a_prompt_needs_one(house: House) -> None:
    post = await illustrated(house)
    other = await house.client.post(f"/api/posts/{post}/rerun/edit?image=1")
    assert (other.status_code, other.json()["code"]) == (409, "contradictory")
    assert (await redo(house, post, "", prompt="A cat")).status_code == 409


async def test_before_there_are_pictures_the_missing_stage_is_named(house: House) -> None:
    post = await house.posted()
    await house.complete(post, *ORDER[:4])
    run = await house.run(post)
    await house.client.post(f"/api/posts/{post}/cancel")
    assert run
    answer = await redo(house, post)
    assert (answer.status_code, answer.json()["code"]) == (409, "missing-input")


async def test_the_same_key_asks_once_also_when_the_picture_has_gone_since(house: House) -> None:
    post = await illustrated(house)
    url, headers = f"/api/posts/{post}/rerun/images?image=2", {"Idempotency-Key": "k"}
    await house.client.post(url, headers=headers)
    await house.complete(post, Stage.IMAGES, output='{"images": []}')
    before = len(house.events.messages)
    assert (await house.client.post(url, headers=headers)).status_code == 202
    assert len(house.events.messages) == before


async def test_two_pictures_cannot_be_made_at_once(house: House) -> None:
    post = await illustrated(house)
    answers = await asyncio.gather(redo(house, post, "image=1"), redo(house, post, "image=2"))
    assert sorted(answer.status_code for answer in answers) == [202, 409]


# --- uploaded ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_an_upload_takes_the_place_of_one_picture(house: House, kind: str) -> None:
    post = await illustrated(house)
    before = await images_of(house, post)
    answer = await upload(
        house, post, 2, picture(kind), **{"Content-Type": f"image/{kind.lower()}"}
    )
    assert answer.status_code == 200, answer.text
    after = answer.json()["image_manifest"]["images"]
    assert after[0] == before[0]
    assert (after[1]["uploaded"], after[1]["width"], after[1]["prompt"]) == (
        True,
        40,
        "A dog on a hill",
    )
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    served = await house.client.get(after[1]["url"])
    assert (served.status_code, served.headers["content-type"]) == (200, "image/webp")
    assert answer.json()["stale"] == ["ready"]


async def test_a_wide_upload_is_made_as_wide_as_ours(house: House) -> None:
    post = await illustrated(house)
    answer = await upload(house, post, 1, picture(size=(3000, 30)))
    assert answer.json()["image_manifest"]["images"][0]["width"] == 1200


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\x89PNG\r\n\x1a\n", picture()[:-40], b"<svg/>", b"GIF89a" + b"\0" * 99]
)
async def test_what_is_no_whole_picture_is_unusable(house: House, data: bytes) -> None:
    answer = await upload(house, await illustrated(house), 1, data)
    assert (answer.status_code, answer.json()["code"]) == (422, "unusable")
    assert "0x" not in answer.text


def claims_to_be(width: int, height: int) -> bytes:
    """A small PNG whose header names another size."""
    whole = picture()
    header = b"IHDR" + struct.pack(">II", width, height) + whole[24:29]
    return whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:]


@pytest.mark.parametrize("size", [(100_000, 1), (1, 100_000), (16_000, 16_000), (2**31 - 1,) * 2])
async def test_a_picture_of_huge_size_is_refused_by_its_header(
    house: House, size: tuple[int, int]
) -> None:
    answer = await upload(house, await illustrated(house), 1, claims_to_be(*size))
    assert (answer.status_code, answer.json()["code"]) == (422, "unusable")
    assert "pixels" in answer.json()["detail"]


async def test_pictures_are_decoded_two_at_a_time_and_who_finds_no_room_is_told(
    house: House,
) -> None:
    post = await illustrated(house)
    started, go = Semaphore(0), Event()
    inside = list[int]()

    def slowly(data: bytes, type_: str) -> Webp:
        inside.append(1)
        started.release()
        go.wait(30)
        inside.append(-1)
        return to_webp(data, type_)

    darkroom = Darkroom(slowly)
    house.app.state.gateway = replace(house.gateway, darkroom=darkroom)
    room = AT_ONCE + MOST_WAITING
    asking = [asyncio.create_task(upload(house, post, 1, picture(colour=n))) for n in range(room)]
    for _ in range(AT_ONCE):
        await asyncio.to_thread(started.acquire)
    async with asyncio.timeout(30):
        while darkroom.inside < room:
            await asyncio.sleep(0)
    refused = await upload(house, post, 1, picture(colour=200))
    assert (refused.status_code, refused.json()["code"]) == (503, "busy")
    assert refused.headers["retry-after"]
    go.set()
    answers = await asyncio.gather(*asking)
    assert max(accumulate(inside)) == AT_ONCE
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert (await upload(house, post, 1, picture(colour=201))).status_code == 200


async def test_an_upload_has_a_kind_and_a_limit(house: House) -> None:
    post = await illustrated(house)
    svg = await upload(house, post, 1, b"<svg/>", **{"Content-Type": "image/svg+xml"})
    assert svg.status_code == 415
    assert (await upload(house, post, 1, b"\0" * (UPLOAD.most + 1))).status_code == 413
    assert (await upload(house, post, 1, b"\0" * (MAX_BODY + 1))).status_code == 422


@pytest.mark.parametrize("number", [3, 1000])
async def test_no_image_is_added_by_an_upload(house: House, number: int) -> None:
    post = await illustrated(house)
    assert (await upload(house, post, number, picture())).status_code == 404
    assert (await describe(house, post, number, alt="x")).status_code == 404


@pytest.mark.parametrize("number", [0, -1, "x", 1001])
async def test_an_images_address_has_a_number(house: House, number: Any) -> None:
    post = await illustrated(house)
    assert (await upload(house, post, number, picture())).status_code == 422
    assert (await describe(house, post, number, alt="x")).status_code == 422


async def test_the_same_upload_again_changes_nothing(house: House) -> None:
    post = await illustrated(house)
    for _ in range(2):
        assert (await upload(house, post, 1, picture())).status_code == 200
    assert edits(house) == 1


async def test_an_upload_under_a_key_is_answered_as_before_though_it_was_replaced(
    house: House,
) -> None:
    post = await illustrated(house)
    key = {"Idempotency-Key": "k"}
    await upload(house, post, 1, picture(), **key)
    await upload(house, post, 1, picture(colour=1))
    before = edits(house)
    assert (await upload(house, post, 1, picture(), **key)).status_code == 200
    assert edits(house) == before
    reused = await upload(house, post, 1, picture(colour=2), **key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency-key-reused")


async def test_an_upload_is_refused_while_the_images_run_and_at_an_approve_only_gate(
    house: House,
) -> None:
    post = await illustrated(house)
    await redo(house, post)
    answer = await upload(house, post, 1, picture())
    assert (answer.status_code, answer.json()["code"]) == (409, "stage-running")
    gated = await house.posted(stage_settings={"images": "approve_only"})
    await house.complete(gated, *ORDER[:4])
    manifest = {"images": [await stored(house, gated)]}
    await house.complete(gated, Stage.IMAGES, output=json.dumps(manifest))
    answer = await upload(house, gated, 1, picture())
    assert (answer.status_code, answer.json()["code"]) == (409, "gate-forbids-edit")


async def test_a_stale_version_is_refused_and_anyone_is_kept_apart(house: House) -> None:
    post = await illustrated(house)
    answer = await upload(house, post, 1, picture(), **{"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["code"]) == (409, "stale")
    assert (await upload(house, post, 1, picture(), **{"If-Match": "*"})).status_code == 200


async def test_two_edits_at_once_both_stand(house: House) -> None:
    post = await illustrated(house)
    answers = await asyncio.gather(
        upload(house, post, 1, picture()),
        describe(house, post, 1, alt="one"),
        describe(house, post, 2, alt="two"),
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    first, second = await images_of(house, post)
    assert (first["alt_text"], first["uploaded"], second["alt_text"]) == ("one", True, "two")


async def test_an_edit_that_is_overtaken_is_made_again_on_what_is_there(house: House) -> None:
    post = await illustrated(house)

    async def faster() -> None:
        await describe(house, post, 2, alt="faster")

    house.events.before["append"] = faster
    assert (await describe(house, post, 1, alt="slower")).status_code == 200
    assert [each["alt_text"] for each in await images_of(house, post)] == ["slower", "faster"]


# --- described --------------------------------------------------------------------------------


async def test_another_alt_text_is_an_edit_by_its_actor(house: House) -> None:
    post = await illustrated(house)
    answer = await describe(house, post, 2, alt="A <b>dog</b>", by="ann")
    assert answer.json()["image_manifest"]["images"][1]["alt_text"] == "A <b>dog</b>"
    last = house.events.messages[-1].fact
    assert isinstance(last, ContentEdited)
    assert last.actor == "ann"


@pytest.mark.parametrize(
    "body",
    [{}, {"alt": ""}, {"alt": " "}, {"alt": "a\x00"}, {"alt": "a\u202eb"}, {"alt": "x" * 125}],
)
async def test_an_alt_text_says_something(house: House, body: dict[str, Any]) -> None:
    assert (await describe(house, await illustrated(house), 1, **body)).status_code == 422


async def test_a_manifest_edited_into_something_else_is_not_touched(house: House) -> None:
    post = await house.posted()
    await house.complete(post, *ORDER[:4])
    await house.complete(post, Stage.IMAGES, output="mine")
    for answer in (
        await describe(house, post, 1, alt="x"),
        await upload(house, post, 1, picture()),
        await redo(house, post, "image=1"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "rejected")


async def test_without_a_post_there_is_nothing_to_change(house: House) -> None:
    for answer in (
        await describe(house, NOBODY, 1, alt="x"),
        await upload(house, NOBODY, 1, picture()),
        await redo(house, NOBODY),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-post")


async def test_without_pictures_there_is_nothing_to_replace(house: House) -> None:
    post = await house.posted()
    for answer in (
        await describe(house, post, 1, alt="x"),
        await upload(house, post, 1, picture()),
    ):
        assert answer.status_code == 409
