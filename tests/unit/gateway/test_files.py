"""Images and exports: only what the post names, under safe names, the same bytes every time."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zipfile import ZipFile

import pytest

from services.gateway.files.exports import linked
from services.gateway.files.pictures import Picture
from shared.domain.values import ORDER, Blob, Stage

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

WEBP = b"RIFF....WEBP"
HOSTILE = (
    "# Title\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1))\n\n![a](media/a-1.webp)\n"
)
FRONT = '---\ntitle: "A \\"quoted\\" title"\nfeaturedImage: "media/a-1.webp"\n---\n\n'


async def stored(house: House, post: UUID, filename: str = "a-1.webp") -> dict[str, Any]:
    """An image in the media store, as the manifest tells of it."""
    digest = sha256(WEBP).hexdigest()
    name = f"{post}/{digest}"
    await house.media.put(name, WEBP)
    blob = Blob(name=name, digest=digest, size=len(WEBP), media_type="image/webp")
    return {"filename": filename, "generated": True, "blob": blob.model_dump(), "alt_text": "A"}


async def illustrated(
    house: House, ready: str = FRONT + HOSTILE, *filenames: str, **body: Any
) -> UUID:
    post = await house.posted(**body)
    await house.complete(post, *ORDER[:4])
    images = [await stored(house, post, name) for name in filenames or ("a-1.webp",)]
    failed = {"filename": "b-2.webp", "generated": False}
    manifest = json.dumps({"images": [*images, failed, "nonsense"]})
    await house.complete(post, Stage.IMAGES, output=manifest)
    await house.complete(post, Stage.READY, output=ready)
    return post


async def test_an_image_is_served_for_ever_and_as_nothing_but_an_image(house: House) -> None:
    post = await illustrated(house)
    found = (await house.client.get(f"/api/posts/{post}")).json()["image_manifest"]["images"]
    assert [image.get("url") for image in found[:2]] == [f"/media/{post}/a-1.webp", None]
    answer = await house.client.get(found[0]["url"])
    assert (answer.status_code, answer.content) == (200, WEBP)
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_an_image_of_an_earlier_manifest_is_still_served(house: House) -> None:
    post = await illustrated(house)
    await house.client.post(f"/api/posts/{post}/rerun/images")
    await house.complete(post, Stage.IMAGES, output='{"images": []}')
    assert (await house.client.get(f"/media/{post}/a-1.webp")).status_code == 200


@pytest.mark.parametrize("name", ["b-2.webp", "c.webp", "..", "%2e%2e%2fx", "a-1.webp%00"])
async def test_what_no_manifest_names_is_not_found(house: House, name: str) -> None:
    post = await illustrated(house)
    answer = await house.client.get(f"/media/{post}/{name}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_foreign_posts_image_is_not_found(house: House) -> None:
    await illustrated(house)
    other = await house.posted()
    assert (await house.client.get(f"/media/{other}/a-1.webp")).status_code == 404


async def test_an_edited_manifest_cannot_name_another_posts_object(house: House) -> None:
    mine, theirs = await house.posted(), await illustrated(house)
    image = await stored(house, theirs)
    await house.complete(mine, *ORDER[:4])
    await house.complete(mine, Stage.IMAGES, output=json.dumps({"images": [image]}))
    assert (await house.client.get(f"/media/{mine}/a-1.webp")).status_code == 404


async def test_markdown_is_taken_away_with_relative_images(house: House) -> None:
    post = await illustrated(house, slug="my-post")
    answer = await house.client.get(f"/api/posts/{post}/export/markdown")
    assert answer.headers["content-disposition"] == 'attachment; filename="my-post.md"'
    assert "![a](images/a-1.webp)" in answer.text
    assert 'featuredImage: "images/a-1.webp"' in answer.text


async def test_html_is_sanitised_and_titled(house: House) -> None:
    post = await illustrated(house, slug="my-post")
    answer = await house.client.get(f"/api/posts/{post}/export/html")
    assert answer.headers["content-disposition"] == 'attachment; filename="my-post.html"'
    assert "<script" not in answer.text
    assert 'href="javascript' not in answer.text
    assert "<title>A &quot;quoted&quot; title</title>" in answer.text
    assert 'src="images/a-1.webp"' in answer.text
    assert "featuredImage" not in answer.text


async def test_the_zip_holds_everything_under_safe_names_and_never_differs(house: House) -> None:
    post = await illustrated(
        house, FRONT + HOSTILE, "z.webp", "a-1.webp", "../../evil.webp", "/abs.webp", slug="s"
    )
    answers = [await house.client.get(f"/api/posts/{post}/export/all") for _ in range(2)]
    assert answers[0].content == answers[1].content
    with ZipFile(io.BytesIO(answers[0].content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "s.md",
            "s.html",
            "events.jsonl",
            "post.json",
            "images/a-1.webp",
            "images/z.webp",
        ]
        assert archive.read("images/a-1.webp") == WEBP
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


async def test_before_there_is_an_article_nothing_can_be_taken_away(house: House) -> None:
    post = await house.posted()
    for kind in ("markdown", "html", "all"):
        answer = await house.client.get(f"/api/posts/{post}/export/{kind}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_an_edited_article_can_be_taken_away_before_it_is_ready(house: House) -> None:
    post = await house.posted()
    await house.complete(post, *ORDER[:4])
    answer = await house.client.get(f"/api/posts/{post}/export/markdown")
    assert answer.text == "# The edit\n\nText."


async def test_an_image_gone_from_the_store_is_not_left_out_in_silence(house: House) -> None:
    post = await illustrated(house)
    house.media.objects.clear()
    answer = await house.client.get(f"/api/posts/{post}/export/all")
    assert answer.status_code == 404
    assert "media store" in answer.json()["detail"]


def test_only_the_addresses_of_known_images_are_rewritten() -> None:
    blob = Blob(name="n", digest="d", size=1, media_type="image/webp")
    text = (
        f"![](media/a.webp) ![](/media/{UUID(int=1)}/a.webp) media/a.webpx social-media/a.webp"
        " https://x.org/media/a.webp media/b.webp media/a.webp.bak"
    )
    assert linked(text, UUID(int=1), [Picture("a.webp", blob)]) == (
        "![](images/a.webp) ![](images/a.webp) media/a.webpx social-media/a.webp"
        " https://x.org/media/a.webp media/b.webp media/a.webp.bak"
    )
