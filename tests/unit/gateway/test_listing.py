"""What a list may be asked, and a post that its reader has already."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args
from uuid import UUID

import pytest

from services.gateway.posts import listing, present
from services.gateway.posts.present import View
from services.gateway.web.answers import PostRead
from services.gateway.web.schemas import PostField, PostFilter
from shared.domain.post import Post
from shared.domain.values import PostConfig, Stage
from tests.unit.gateway.test_bad_input import clear

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

POST = Post(id=UUID(int=7), n=3, last=9, config=PostConfig(topic="T", slug="t", niche="dogs"))


@pytest.mark.parametrize(
    "query",
    [
        "fields=",
        "fields=,",
        "fields=topic,secret",
        "fields=execution_logs",
        "fields=ledger",
        "fields=topic&fields=select",
        "fields=" + "topic," * 5_000,
        "sort=metadata",
        "sort=created_at;drop",
        "order=up",
        "page=0",
        "page=1000001",
        "per_page=0",
        "per_page=201",
        "status=parked",
        "stage=publish",
        "profile_id=nonsense",
        "created_since=yesterday",
        "created_until=2026-01-01T00:00:00",
        "q=%00",
        "colour=red",
    ],
)
async def test_what_a_list_does_not_know_is_refused(house: House, query: str) -> None:
    clear(await house.client.get(f"/api/posts?{query}"), 422)


def test_fields_are_read_from_one_list_or_many_each_once() -> None:
    for said in ("topic, niche,topic", ["topic", "niche,topic"]):
        assert PostFilter.model_validate({"fields": said}).fields == ("topic", "niche")


def test_a_list_shows_every_field_of_a_post_but_its_journals() -> None:
    assert set(get_args(PostField.__value__)) == set(PostRead.model_fields) - {
        "execution_logs",
        "ledger",
    }


def test_a_part_of_a_post_is_what_was_asked_for_and_its_id() -> None:
    part = present.part(
        POST, {Stage.EDIT: "# Text"}, ("topic", "final_md_content", "ready_content")
    )
    assert part.model_dump() == {
        "id": POST.id,
        "topic": "T",
        "final_md_content": "# Text",
        "ready_content": None,
    }


def test_a_part_of_all_fields_says_what_the_whole_says() -> None:
    texts = {Stage.WRITE: "# Draft", Stage.IMAGES: '{"images": []}'}
    whole = present.whole(View(POST, texts, (), ()))
    part = present.part(POST, texts, get_args(PostField.__value__))
    assert part.model_dump() == whole.model_dump(exclude={"execution_logs", "ledger"})


def test_only_arguments_carry_what_a_client_says() -> None:
    asked = PostFilter.model_validate(
        {
            "q": "'; drop table posts; --",
            "created_since": "2026-01-01T00:00:00+01:00",
            "created_until": "2026-02-01T00:00:00Z",
        }
    )
    for statement, *arguments in listing.posts("main", asked):
        assert "drop" not in statement
        assert "created_at >= $2" in statement
        assert "created_at < $3" in statement
        assert str(arguments[1]) == "2025-12-31 23:00:00+00:00"


# --- If-None-Match ------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["{tag}", "W/{tag}", '"0", {tag}', "*", ' {tag} , "9"'])
async def test_a_settled_post_that_is_known_is_not_sent_again(house: House, spelling: str) -> None:
    post = await house.posted()
    await house.finish(post)
    url = f"/api/posts/{post}"
    tag = (await house.client.get(url)).headers["etag"]
    answer = await house.client.get(url, headers={"If-None-Match": spelling.format(tag=tag)})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)


@pytest.mark.parametrize("header", ['"0"', "nonsense", '"', ""])
async def test_a_post_that_is_not_known_is_sent(house: House, header: str) -> None:
    post = await house.posted()
    await house.finish(post)
    answer = await house.client.get(f"/api/posts/{post}", headers={"If-None-Match": header})
    assert answer.status_code == 200


async def test_a_post_at_work_is_always_sent(house: House) -> None:
    post = await house.posted()
    url = f"/api/posts/{post}"
    tag = (await house.client.get(url)).headers["etag"]
    assert (await house.client.get(url, headers={"If-None-Match": tag})).status_code == 200


async def test_a_changed_post_is_sent(house: House) -> None:
    post = await house.posted()
    await house.finish(post)
    url = f"/api/posts/{post}"
    tag = (await house.client.get(url)).headers["etag"]
    await house.client.post(f"{url}/rerun/ready")
    await house.complete(post, Stage.READY)
    answer = await house.client.get(url, headers={"If-None-Match": tag})
    assert answer.status_code == 200
    assert answer.headers["etag"] != tag


async def test_an_endless_header_is_refused(house: House) -> None:
    post = await house.posted()
    headers = {"If-None-Match": '"1",' * 1_000}
    clear(await house.client.get(f"/api/posts/{post}", headers=headers), 422)
