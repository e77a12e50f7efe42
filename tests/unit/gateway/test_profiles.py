"""Profiles: kept in versions, and behind a post wherever its order is silent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

KEY = {"Idempotency-Key": "k-1"}
NOBODY = "11111111-1111-4111-8111-111111111111"
SAID: dict[str, Any] = {
    "name": "Puppy Post",
    "website_url": "https://example.org/blog",
    "niche": "pets",
    "target_audience": "Owners\nof dogs",
    "tone": "dry",
    "brand_voice": "warm",
    "word_count": 1500,
    "output_format": "both",
    "image_style": "flat",
    "image_brand_colors": ["#ff0000"],
    "image_exclude": ["text"],
    "avoid": "hype",
    "required_mentions": "the vet",
    "related_keywords": ["puppy", "training"],
    "default_stage_settings": {"outline": "review"},
}
GATES = dict.fromkeys(("research", "outline", "write", "edit", "images", "ready"), "auto")


async def made(house: House, **said: Any) -> dict[str, Any]:
    answer = await house.client.post("/api/profiles", json={"name": "A site", **said})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def changed(house: House, profile: dict[str, Any], **said: Any) -> httpx.Response:
    return await house.client.patch(f"/api/profiles/{profile['id']}", json=said)


async def post_of(house: House, **said: Any) -> dict[str, Any]:
    post = await house.posted(**said)
    found: dict[str, Any] = (await house.client.get(f"/api/posts/{post}")).json()
    return found


async def test_every_field_said_comes_back_with_its_place_and_version(house: House) -> None:
    answer = await house.client.post("/api/profiles", json=SAID)
    profile = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/profiles/{profile['id']}"
    assert answer.headers["etag"] == f'"{profile["version"]}"'
    assert answer.headers["galley-sequence"] == str(profile["version"])
    assert {name: profile[name] for name in SAID} == SAID | {
        "default_stage_settings": GATES | {"outline": "review"}
    }
    read = await house.client.get(f"/api/profiles/{profile['id']}")
    assert read.json() == profile
    assert read.headers["etag"] == answer.headers["etag"]


async def test_what_a_profile_says_fills_a_post_that_is_silent(house: House) -> None:
    profile = await made(house, **SAID)
    post = await post_of(house, profile_id=profile["id"])
    said = {name: SAID[name] for name in SAID if name not in ("name", "default_stage_settings")}
    assert {name: post[name] for name in said} == said
    assert post["stage_settings"] == GATES | {"outline": "review"}


async def test_what_a_post_says_wins_even_where_it_says_the_default(house: House) -> None:
    profile = await made(house, **SAID)
    said = {"word_count": 2000, "niche": "", "related_keywords": [], "output_format": "markdown"}
    gates = {"stage_settings": {"outline": "auto", "edit": "approve_only"}}
    post = await post_of(house, profile_id=profile["id"], **said, **gates)
    assert {name: post[name] for name in said} == said
    assert post["tone"] == "dry"
    assert post["stage_settings"] == GATES | {"edit": "approve_only"}


async def test_null_in_an_order_is_silence(house: House) -> None:
    profile = await made(house, niche="pets")
    assert (await post_of(house, profile_id=profile["id"], niche=None))["niche"] == "pets"


async def test_what_a_profile_does_not_say_is_the_posts_own_default(house: House) -> None:
    profile = await made(house)
    assert (await post_of(house, profile_id=profile["id"]))["word_count"] == 2000


async def test_gates_come_from_the_post_then_the_profile_then_the_settings(house: House) -> None:
    gates = {"research": "review", "outline": "review", "write": "review"}
    await house.client.patch("/api/settings", json={"stage_settings": gates})
    said = {"outline": "approve_only", "write": "approve_only"}
    profile = await made(house, default_stage_settings=said)
    own = {"write": "auto"}
    post = await post_of(house, profile_id=profile["id"], stage_settings=own)
    assert post["stage_settings"] == GATES | {"research": "review", "outline": "approve_only"}


async def test_a_post_of_an_unknown_profile_is_refused(house: House) -> None:
    before = len(house.events.messages)
    body = {"topic": "T", "profile_id": NOBODY}
    answer = await house.client.post("/api/posts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-profile")
    assert len(house.events.messages) == before


async def test_a_repeated_order_is_answered_though_its_profile_is_gone(house: House) -> None:
    profile = await made(house, word_count=1500)
    body = {"topic": "T", "profile_id": profile["id"]}
    first = await house.client.post("/api/posts", json=body, headers=KEY)
    await house.client.delete(f"/api/profiles/{profile['id']}")
    again = await house.client.post("/api/posts", json=body, headers=KEY)
    assert again.status_code == first.status_code == 201
    assert again.json()["id"] == first.json()["id"]
    assert again.json()["word_count"] == 1500


async def test_a_change_names_what_changes_and_null_takes_back(house: House) -> None:
    profile = await made(house, niche="pets", word_count=1500)
    house.later(hours=1)
    answer = await changed(house, profile, tone="dry", word_count=None)
    now = answer.json()
    assert (now["niche"], now["tone"], now["word_count"]) == ("pets", "dry", 2000)
    assert now["version"] > profile["version"]
    assert now["created_at"] == profile["created_at"]
    assert now["updated_at"] > profile["updated_at"]
    assert (await post_of(house, profile_id=profile["id"]))["word_count"] == 2000


async def test_posts_keep_what_they_were_given(house: House) -> None:
    profile = await made(house, tone="dry")
    post = await post_of(house, profile_id=profile["id"])
    await changed(house, profile, tone="wet")
    assert (await house.client.get(f"/api/posts/{post['id']}")).json()["tone"] == "dry"


async def test_a_deleted_profile_is_gone_and_its_posts_stay(house: House) -> None:
    profile = await made(house)
    place = f"/api/profiles/{profile['id']}"
    post = await post_of(house, profile_id=profile["id"])
    assert (await house.client.delete(place)).status_code == 204
    for answer in (
        await house.client.get(place),
        await house.client.patch(place, json={"tone": "dry"}),
        await house.client.delete(place),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "no-such-profile")
    kept = (await house.client.get(f"/api/posts/{post['id']}")).json()
    assert kept["profile_id"] == profile["id"]
    assert (await house.client.get("/api/profiles")).json()["items"] == []


async def test_the_same_key_makes_one_profile_and_gives_the_first_answer(house: House) -> None:
    asking = [
        house.client.post("/api/profiles", json={"name": "One"}, headers=KEY) for _ in range(5)
    ]
    answers = await asyncio.gather(*asking)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    await changed(house, answers[0].json(), name="Two")
    again = await house.client.post("/api/profiles", json={"name": "One"}, headers=KEY)
    assert again.text == answers[0].text
    assert (await house.client.get("/api/profiles")).json()["total"] == 1


async def test_a_key_used_for_something_else_is_refused(house: House) -> None:
    await house.client.post("/api/profiles", json={"name": "One"}, headers=KEY)
    answer = await house.client.post("/api/profiles", json={"name": "Two"}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")


async def test_a_repeated_deletion_is_answered_as_the_first(house: House) -> None:
    profile = await made(house)
    place = f"/api/profiles/{profile['id']}"
    answers = [await house.client.delete(place, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert answers[0].headers["galley-sequence"] == answers[1].headers["galley-sequence"]


async def test_a_change_of_an_older_version_is_refused_with_the_one_in_force(house: House) -> None:
    profile = await made(house)
    seen = {"If-Match": f'"{profile["version"]}"'}
    place = f"/api/profiles/{profile['id']}"
    asking = [house.client.patch(place, json={"tone": f"tone {n}"}, headers=seen) for n in range(5)]
    answers = await asyncio.gather(*asking)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 4
    won = next(answer.json() for answer in answers if answer.status_code == 200)
    lost = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (lost["code"], lost["version"]) == ("stale", won["version"])
    assert (await house.client.delete(place, headers=seen)).status_code == 409


async def test_changes_at_once_are_all_kept(house: House) -> None:
    profile = await made(house)
    fields = ("niche", "tone", "avoid", "image_style", "brand_voice")
    await asyncio.gather(*(changed(house, profile, **{name: "said"}) for name in fields))
    now = (await house.client.get(f"/api/profiles/{profile['id']}")).json()
    assert [now[name] for name in fields] == ["said"] * len(fields)


async def test_a_write_that_was_not_confirmed_is_found_again(house: House) -> None:
    profile = await made(house)
    before = len(house.events.messages)
    house.documents.unconfirmed = 1
    answer = await changed(house, profile, tone="dry")
    assert answer.status_code == 200
    assert len(house.events.messages) == before + 1


async def test_profiles_are_listed_by_name_page_by_page(house: House) -> None:
    for name in ("b", "D", "a", "C"):
        await made(house, name=name)
    first = (await house.client.get("/api/profiles", params={"per_page": 3})).json()
    assert [each["name"] for each in first["items"]] == ["a", "b", "C"]
    assert (first["total"], first["pages"], first["page"]) == (4, 2, 1)
    second = await house.client.get("/api/profiles", params={"per_page": 3, "page": 2})
    assert [each["name"] for each in second.json()["items"]] == ["D"]
    found = (await house.client.get("/api/profiles", params={"q": "d"})).json()
    assert [each["name"] for each in found["items"]] == ["D"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "  \n "},
        {"name": None},
        {"name": "n" * 201},
        {"name": "a\x00b"},
        {"name": "a\u202eb"},
        {"name": "n", "website_url": "javascript:alert(1)"},
        {"name": "n", "word_count": -1},
        {"name": "n", "word_count": 10**9},
        {"name": "n", "word_count": "1500"},
        {"name": "n", "output_format": "pdf"},
        {"name": "n", "default_stage_settings": {"publish": "auto"}},
        {"name": "n", "default_stage_settings": {"write": "never"}},
        {"name": "n", "related_keywords": ["k"] * 51},
        {"name": "n", "brand_voice": "S3CRET" * 1_000},
        {"name": "n", "S3CRET": 1},
        [],
        "name",
    ],
)
async def test_a_bad_profile_is_refused_without_repeating_it(house: House, body: Any) -> None:
    profile = await made(house)
    before = len(house.events.messages)
    for answer in (
        await house.client.post("/api/profiles", json=body),
        *([] if body == {} else [await house.client.patch(_place(profile), json=body)]),
    ):
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 2_000
        assert "S3CRETS3CRET" not in answer.text
    assert len(house.events.messages) == before


def _place(profile: dict[str, Any]) -> str:
    return f"/api/profiles/{profile['id']}"


@pytest.mark.parametrize("name", ["x", "1", NOBODY + "0", "*", ">", "%00"])
async def test_what_is_no_id_is_refused(house: House, name: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = await house.client.request(method, f"/api/profiles/{name}")
        assert answer.status_code in {404, 405, 422}


async def test_an_unknown_profile_is_not_found(house: House) -> None:
    place = f"/api/profiles/{NOBODY}"
    assert (await house.client.get(place)).status_code == 404
    assert (await house.client.patch(place, json={"tone": "t"})).status_code == 404
    assert (await house.client.delete(place)).status_code == 404


async def test_a_document_that_is_none_is_named_and_the_others_are_listed(house: House) -> None:
    profile = await made(house, name="Good")
    await house.events.keep(f"docs.main.profile.{NOBODY}", b'{"S3CRET": 1}', 0)
    answer = await house.client.get(f"/api/profiles/{NOBODY}")
    assert (answer.status_code, answer.json()["code"]) == (500, "malformed")
    assert "S3CRET" not in answer.text
    listed = (await house.client.get("/api/profiles")).json()
    assert [each["id"] for each in listed["items"]] == [profile["id"]]
    assert UUID(listed["items"][0]["id"])


async def test_a_damaged_profile_is_the_last_good_one_until_it_is_changed(house: House) -> None:
    profile = await made(house, name="Good", tone="dry")
    subject = f"docs.main.profile.{profile['id']}"
    await house.events.keep(subject, b'{"S3CRET": 1}', profile["version"])
    place = f"/api/profiles/{profile['id']}"
    answer = await house.client.get(place)
    assert (answer.json(), "galley-warning" in answer.headers) == (profile, True)
    assert (await house.client.get("/api/profiles")).json()["items"] == [profile]
    post = await house.posted(profile_id=profile["id"])
    assert (await house.client.get(f"/api/posts/{post}")).json()["tone"] == "dry"
    assert (await house.client.patch(place, json={"tone": "warm"})).json()["tone"] == "warm"
    found = (await house.client.get(f"{place}/history")).json()["items"]
    assert [each["readable"] for each in found] == [True, False, True]
    assert (await house.client.get(f"/api/profiles/{NOBODY}/history")).status_code == 404


async def test_with_the_log_away_nothing_is_said_to_be_stored(house: House) -> None:
    house.documents.away = True
    for answer in (
        await house.client.get("/api/profiles"),
        await house.client.post("/api/profiles", json={"name": "n"}),
        await house.client.post("/api/posts", json={"topic": "T"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "log-unavailable")
