"""A topic becomes a post, once, with a slug of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House


async def test_a_new_post_answers_with_its_place_and_its_sequence(house: House) -> None:
    answer = await house.client.post("/api/posts", json={"topic": "  How to Train a Puppy "})
    post = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/posts/{post['id']}"
    assert answer.headers["galley-sequence"] == str(post["seq"])
    assert (post["topic"], post["slug"]) == ("How to Train a Puppy", "how-to-train-a-puppy")


async def test_a_new_post_starts_by_itself(house: House) -> None:
    post = (await house.client.post("/api/posts", json={"topic": "T"})).json()
    assert post["current_stage"] == "research"
    assert post["stage_status"]["research"] == "running"
    assert [line["event"] for line in post["execution_logs"]] == ["pipeline_start"]


async def test_a_post_with_six_closed_gates_waits_to_be_started(house: House) -> None:
    gates = dict.fromkeys(ORDER, "review")
    body = {"topic": "T", "stage_settings": gates}
    post = (await house.client.post("/api/posts", json=body)).json()
    assert post["current_stage"] == "pending"
    assert post["stage_settings"] == gates


async def test_every_field_said_comes_back(house: House) -> None:
    said = {
        "topic": "T",
        "slug": "my-slug",
        "target_audience": "Owners\nof dogs",
        "niche": "pets",
        "intent": "informational",
        "article_type": "how-to",
        "additional_info": "more",
        "word_count": 1500,
        "tone": "dry",
        "output_format": "both",
        "website_url": "https://example.org/blog",
        "related_keywords": ["puppy", "training"],
        "competitor_urls": ["https://example.com/a"],
        "image_style": "flat",
        "image_brand_colors": ["#ff0000"],
        "image_exclude": ["text"],
        "brand_voice": "warm",
        "avoid": "hype",
        "required_mentions": "the vet",
    }
    post = (await house.client.post("/api/posts", json=said)).json()
    assert {name: post[name] for name in said} == said


async def test_what_is_null_counts_as_not_said(house: House) -> None:
    answer = await house.client.post("/api/posts", json={"topic": "T", "niche": None})
    assert answer.status_code == 201
    assert answer.json()["niche"] == ""


async def test_a_generated_slug_gives_way_to_the_owner(house: House) -> None:
    slugs = []
    for _ in range(6):
        answer = await house.client.post("/api/posts", json={"topic": "Same Topic"})
        slugs.append(answer.json()["slug"])
    assert slugs[:4] == ["same-topic", "same-topic-2", "same-topic-3", "same-topic-4"]
    assert len(set(slugs)) == 6


async def test_a_topic_without_letters_still_gets_a_slug(house: House) -> None:
    post = (await house.client.post("/api/posts", json={"topic": "🐶🐶"})).json()
    assert post["slug"] == "post"


async def test_a_chosen_slug_that_is_taken_is_refused(house: House) -> None:
    await house.posted(slug="mine")
    before = len(house.events.messages)
    answer = await house.client.post("/api/posts", json={"topic": "T", "slug": "mine"})
    assert answer.status_code == 409
    assert answer.json()["code"] == "slug-taken"
    assert len(house.events.messages) == before


async def test_two_profiles_may_use_the_same_slug(house: House) -> None:
    await house.posted(slug="mine")
    profile = (await house.client.post("/api/profiles", json={"name": "Another site"})).json()
    await house.posted(slug="mine", profile_id=profile["id"])


async def test_ten_posts_of_one_chosen_slug_at_once_leave_one_owner(house: House) -> None:
    body = {"topic": "T", "slug": "mine"}
    answers = await asyncio.gather(*(house.client.post("/api/posts", json=body) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9


async def test_the_same_key_creates_one_post(house: House) -> None:
    headers, body = {"Idempotency-Key": "k-1"}, {"topic": "T"}
    answers = await asyncio.gather(
        *(house.client.post("/api/posts", json=body, headers=headers) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1


async def test_the_same_key_for_another_topic_is_refused(house: House) -> None:
    headers = {"Idempotency-Key": "k-1"}
    await house.client.post("/api/posts", json={"topic": "One"}, headers=headers)
    answer = await house.client.post("/api/posts", json={"topic": "Two"}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["code"] == "idempotency-key-reused"


async def test_a_repeated_create_is_answered_while_the_post_has_moved_on(house: House) -> None:
    headers, body = {"Idempotency-Key": "k-1"}, {"topic": "T"}
    first = await house.client.post("/api/posts", json=body, headers=headers)
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    again = await house.client.post("/api/posts", json=body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "é"])
async def test_a_key_that_is_no_key_is_refused(house: House, key: str) -> None:
    headers = [(b"idempotency-key", key.encode())]
    answer = await house.client.post("/api/posts", json={"topic": "T"}, headers=headers)
    assert answer.status_code == 422
