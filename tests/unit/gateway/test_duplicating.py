"""A duplicate has its original's order and gates, a slug of its own, and has not begun."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from services.gateway.posts.patch import PostPatch
from shared.domain.values import ORDER, PostConfig
from tests.unit.gateway.test_bad_input import clear

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

NOBODY = "33333333-3333-4333-8333-333333333333"
SAID = {
    "topic": "T",
    "slug": "original",
    "target_audience": "owners",
    "niche": "pets",
    "intent": "informational",
    "article_type": "how-to",
    "additional_info": "more",
    "word_count": 1500,
    "tone": "dry",
    "output_format": "both",
    "website_url": "https://example.org/blog",
    "related_keywords": ["puppy"],
    "competitor_urls": ["https://example.com/a"],
    "image_style": "flat",
    "image_brand_colors": ["#ff0000"],
    "image_exclude": ["text"],
    "brand_voice": "warm",
    "avoid": "hype",
    "required_mentions": "the vet",
    "budget_usd": 2.5,
}
GATES = dict.fromkeys(ORDER, "auto") | {"outline": "review", "edit": "approve_only"}


async def test_a_duplicate_is_ordered_alike_and_has_not_begun(house: House) -> None:
    post = await house.posted(**SAID, stage_settings=GATES, gate_deadline_s=60)
    answer = await house.client.post(f"/api/posts/{post}/duplicate")
    copy = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/posts/{copy['id']}"
    assert answer.headers["galley-sequence"] == str(copy["seq"])
    assert copy["id"] != str(post)
    assert {name: copy[name] for name in SAID if name != "slug"} == {
        name: value for name, value in SAID.items() if name != "slug"
    }
    assert re.fullmatch(r"original-copy-[0-9a-f]{6}", copy["slug"])
    assert copy["stage_settings"] == GATES
    assert copy["current_stage"] == "pending"
    assert copy["research_content"] is None
    first = (await house.events.read(house.ref(post))).post
    second = (await house.events.read(house.ref(copy["id"]))).post
    assert (first.gate_deadline_s, second.gate_deadline_s) == (60, 60)


def test_every_field_of_an_order_is_copied_and_can_be_changed() -> None:
    assert set(PostConfig.model_fields) == set(SAID) | {"profile_id"}
    assert set(SAID) - {"slug"} <= set(PostPatch.model_fields)


async def test_a_duplicate_runs_when_it_is_told_to(house: House) -> None:
    post = await house.posted()
    copy = (await house.client.post(f"/api/posts/{post}/duplicate")).json()
    answer = await house.client.post(f"/api/posts/{copy['id']}/run")
    assert answer.json()["stage"] == "research"


async def test_a_change_of_the_original_is_in_the_copy(house: House) -> None:
    post = await house.posted()
    await house.client.patch(
        f"/api/posts/{post}", json={"niche": "new"}, headers={"Idempotency-Key": "k"}
    )
    copy = (await house.client.post(f"/api/posts/{post}/duplicate")).json()
    assert copy["niche"] == "new"


async def test_copies_of_copies_and_of_long_slugs_have_proper_slugs(house: House) -> None:
    post = str(await house.posted(slug="a" * 120))
    slugs = set()
    for _ in range(3):
        copy = (await house.client.post(f"/api/posts/{post}/duplicate")).json()
        slugs.add(copy["slug"])
        assert len(copy["slug"]) <= 120
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", copy["slug"])
        post = copy["id"]
    assert len(slugs) == 3


async def test_the_same_key_makes_one_copy_even_after_the_original_is_gone(house: House) -> None:
    post, headers = await house.posted(), {"Idempotency-Key": "k"}
    url = f"/api/posts/{post}/duplicate"
    first = await house.client.post(url, headers=headers)
    await house.client.delete(f"/api/posts/{post}")
    again = await house.client.post(url, headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    await house.client.delete(f"/api/posts/{first.json()['id']}")
    clear(await house.client.post(url, headers=headers), 404)


async def test_one_key_is_one_wish(house: House) -> None:
    one, two, headers = await house.posted(), await house.posted(), {"Idempotency-Key": "k"}
    await house.client.post(f"/api/posts/{one}/duplicate", headers=headers)
    clear(await house.client.post(f"/api/posts/{two}/duplicate", headers=headers), 422)


async def test_nothing_is_copied_of_a_stranger_or_of_another_version(house: House) -> None:
    clear(await house.client.post(f"/api/posts/{NOBODY}/duplicate"), 404)
    clear(await house.client.post("/api/posts/nonsense/duplicate"), 422)
    post = await house.posted()
    stale = {"If-Match": '"1"'}
    clear(await house.client.post(f"/api/posts/{post}/duplicate", headers=stale), 409)
