"""A batch is handed in whole or not at all, and says which rows are wrong."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.domain.values import ORDER
from shared.errors import Conflict
from tests.unit.gateway.test_bad_input import JSON, clear

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

URL = "/api/posts/batch"
CSV = {"content-type": "text/csv; charset=utf-8"}


async def handed(house: House, rows: Any, **headers: str) -> httpx.Response:
    return await house.client.post(URL, json=rows, headers=headers)


async def tabled(house: House, text: str | bytes) -> httpx.Response:
    return await house.client.post(URL, content=text, headers=CSV)


def rows_of(answer: httpx.Response) -> list[tuple[int, str]]:
    return [(row["row"], row["field"]) for row in answer.json()["rows"]]


async def test_every_row_becomes_a_post_of_its_own(house: House) -> None:
    gates = dict.fromkeys(ORDER, "review")
    answer = await handed(
        house,
        [{"topic": "One", "word_count": 900}, {"topic": "Two", "stage_settings": gates}],
    )
    assert answer.status_code == 201
    one, two = answer.json()
    assert (one["topic"], one["slug"], one["current_stage"]) == ("One", "one", "research")
    assert (two["topic"], two["slug"], two["current_stage"]) == ("Two", "two", "pending")
    assert int(answer.headers["galley-sequence"]) == max(one["seq"], two["seq"])
    read = (await house.client.get(f"/api/posts/{one['id']}")).json()
    assert (read["word_count"], read["seq"]) == (900, one["seq"])


async def test_a_thousand_rows_are_one_batch(house: House) -> None:
    answer = await handed(house, [{"topic": "Same topic"}] * 1_000)
    assert answer.status_code == 201
    made = answer.json()
    assert len({post["id"] for post in made}) == len({post["slug"] for post in made}) == 1_000


@pytest.mark.parametrize("count", [0, 1_001])
async def test_too_few_and_too_many_rows_are_refused(house: House, count: int) -> None:
    clear(await handed(house, [{"topic": "T"}] * count), 422)
    clear(await tabled(house, "topic\n" + "T\n" * count), 422)
    assert house.events.messages == []


async def test_one_wrong_row_refuses_all_and_is_named(house: House) -> None:
    rows = [
        {"topic": "Good"},
        {"topic": " ", "word_count": -1},
        {"topic": "T", "colour": "red"},
        7,
        {"topic": "T", "stage_settings": {"outline": "banana"}},
    ]
    answer = await handed(house, rows)
    clear(answer, 422)
    assert rows_of(answer) == [
        (2, "topic"),
        (2, "word_count"),
        (3, "colour"),
        (4, ""),
        (5, "stage_settings.outline"),
    ]
    assert house.events.messages == []


async def test_the_list_of_wrong_rows_is_bounded_and_echoes_nothing(house: House) -> None:
    answer = await handed(house, [{"<script>" * 50: "evil\x00"}] * 900)
    assert answer.status_code == 422
    assert len(answer.content) < 20_000
    assert b"<script>" not in answer.content
    assert b"evil" not in answer.content
    assert len(answer.json()["rows"]) == 50


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'"text"',
        b"null",
        b"[",
        b'[{"topic": "T"}',
        b"[" * 100_000,
        b'[{"topic": NaN}]',
        b'[{"topic": "\\ud800"}]',
        b"\xff\xfe",
    ],
    ids=lambda body: repr(body[:16]),
)
async def test_what_is_no_list_of_posts_is_refused(house: House, body: bytes) -> None:
    clear(await house.client.post(URL, content=body, headers=JSON), 422)


async def test_a_batch_may_be_larger_than_a_post_but_not_without_end(house: House) -> None:
    rows = [{"topic": "T", "additional_info": "x" * 4_900}] * 400
    assert len(json.dumps(rows)) > 1_900_000
    assert (await handed(house, rows)).status_code == 201
    clear(await house.client.post(URL, content=b"x" * 8_000_001, headers=JSON), 413)
    clear(await house.client.post(URL, content=b"[]", headers={"content-type": "text/html"}), 415)


# --- slugs --------------------------------------------------------------------------------------


async def test_rows_that_want_one_slug_are_named(house: House) -> None:
    rows = [{"topic": "T", "slug": "mine"}, {"topic": "T"}, {"topic": "U", "slug": "mine"}]
    answer = await handed(house, rows)
    clear(answer, 409)
    assert answer.json()["code"] == "slug-taken"
    assert rows_of(answer) == [(3, "slug")]
    assert house.events.messages == []


async def test_generated_slugs_give_way_to_chosen_ones_of_the_batch(house: House) -> None:
    answer = await handed(house, [{"topic": "Mine"}, {"topic": "T", "slug": "mine"}])
    assert [post["slug"] for post in answer.json()] == ["mine-2", "mine"]


async def test_rows_whose_slug_has_an_owner_are_named(house: House) -> None:
    await house.posted(slug="mine")
    await house.posted(slug="yours")
    before = len(house.events.messages)
    rows = [{"topic": "T", "slug": slug} for slug in ("free", "mine", "yours")]
    answer = await handed(house, rows)
    clear(answer, 409)
    assert answer.json()["code"] == "slug-taken"
    assert rows_of(answer) == [(2, "slug"), (3, "slug")]
    assert len(house.events.messages) == before


async def test_generated_slugs_give_way_to_posts_there_are(house: House) -> None:
    for _ in range(3):
        await house.posted(topic="Same")
    answer = await handed(house, [{"topic": "Same"}, {"topic": "Same"}])
    slugs = [post["slug"] for post in answer.json()]
    assert slugs[0] == "same-4"
    assert slugs[1].startswith("same-")
    assert len(set(slugs)) == 2


async def test_a_batch_inherits_the_slugs_of_deleted_posts(house: House) -> None:
    post = await house.posted(slug="mine")
    await house.client.delete(f"/api/posts/{post}")
    answer = await handed(house, [{"topic": "T", "slug": "mine"}])
    assert [post["slug"] for post in answer.json()] == ["mine"]


async def test_two_batches_that_want_one_slug_leave_one_owner(house: House) -> None:
    rows = [{"topic": "T", "slug": "mine"}, {"topic": "U"}]
    answers = await asyncio.gather(*(handed(house, rows) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


# --- repeats ------------------------------------------------------------------------------------


async def test_the_same_key_makes_one_batch(house: House) -> None:
    rows, headers = [{"topic": "One"}, {"topic": "Two"}], {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(handed(house, rows, **headers) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    changed = [{"topic": "One"}, {"topic": "Other"}]
    clear(await handed(house, changed, **headers), 422)
    clear(await handed(house, rows[:1], **headers), 422)
    clear(await handed(house, [*rows, {"topic": "Three"}], **headers), 422)


async def test_a_repeated_batch_tells_what_is_left_of_it(house: House) -> None:
    rows, headers = [{"topic": "One"}, {"topic": "Two"}], {"Idempotency-Key": "k"}
    one, two = (await handed(house, rows, **headers)).json()
    await house.client.delete(f"/api/posts/{one['id']}")
    again = await handed(house, rows, **headers)
    assert [post["id"] for post in again.json()] == [two["id"]]
    await house.client.delete(f"/api/posts/{two['id']}")
    clear(await handed(house, rows, **headers), 404)


async def test_a_batch_that_was_not_confirmed_is_stored_once(house: House) -> None:
    house.events.unconfirmed = 1
    answer = await handed(house, [{"topic": "One"}])
    assert answer.status_code == 201
    assert len(answer.json()) == 1


async def test_a_batch_that_others_are_always_faster_than_is_tried_again_later(
    house: House,
) -> None:
    async def refuse() -> None:
        house.events.before["append"] = refuse
        raise Conflict("somebody wrote first")

    house.events.before["append"] = refuse
    clear(await handed(house, [{"topic": "One"}]), 503)


async def test_an_unknown_profile_is_refused_as_for_a_single_post_and_named_by_row(
    house: House,
) -> None:
    lost = {"topic": "T", "profile_id": "33333333-3333-4333-8333-333333333333"}
    single = await house.client.post("/api/posts", json=lost)
    answer = await handed(house, [{"topic": "T"}, lost])
    clear(answer, 404)
    assert rows_of(answer) == [(2, "profile_id")]
    assert (single.status_code, single.json()["code"]) == (404, answer.json()["code"])
    table = await tabled(house, f"topic,profile_id\nT,\nT,{lost['profile_id']}\n")
    clear(table, 404)
    assert rows_of(table) == [(2, "profile_id")]
    assert house.events.messages == []


# --- tables -------------------------------------------------------------------------------------


async def test_a_table_is_a_batch(house: House) -> None:
    answer = await tabled(
        house,
        "\ufefftopic,slug,word_count,related_keywords,stage_settings,brand_voice\r\n"
        '"Dogs, and cats",pets,900,puppy; kitten |dog,outline=review;edit=approve_only,'
        '"two\r\nlines ""quoted"""\r\n'
        "\r\n"
        "Second,,,,,\r\n"
        "Third\r\n",
    )
    assert answer.status_code == 201, answer.text
    first, second, third = answer.json()
    read = (await house.client.get(f"/api/posts/{first['id']}")).json()
    assert (read["topic"], read["slug"], read["word_count"]) == ("Dogs, and cats", "pets", 900)
    assert read["related_keywords"] == ["puppy", "kitten", "dog"]
    assert read["brand_voice"] == 'two\r\nlines "quoted"'
    assert (read["stage_settings"]["outline"], read["stage_settings"]["edit"]) == (
        "review",
        "approve_only",
    )
    assert [second["slug"], third["slug"]] == ["second", "third"]


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ("topic,word_count\nT,many\n", "word_count"),
        ("topic,word_count\nT,99999999999999999999\n", "word_count"),
        ("topic,word_count\nT,-1\n", "word_count"),
        ("topic,stage_settings\nT,outline\n", "stage_settings.outline"),
        ("slug\nmine\n", "topic"),
        ("topic\nnul\x00\n", "topic"),
        ("topic,profile_id\nT,nonsense\n", "profile_id"),
    ],
)
async def test_a_wrong_cell_is_named_by_row_and_field(house: House, table: str, field: str) -> None:
    answer = await tabled(house, table)
    clear(answer, 422)
    assert rows_of(answer) == [(1, field)]


@pytest.mark.parametrize(
    "table",
    [
        b"",
        b"\n\n",
        b"topic\n",
        b"topic,colour\nT,red\n",
        b"topic,topic\nT,U\n",
        b"topic\nT,more\n",
        b'topic\n"unbalanced\n',
        b'topic\n"a"b\n',
        b"topic\n" + b"x" * 200_000,
        b"\xff\xfet\x00",
        b"topic;slug\nT;s\n",
    ],
    ids=lambda table: repr(table[:24]),
)
async def test_what_is_no_table_of_posts_is_refused(house: House, table: bytes) -> None:
    clear(await tabled(house, table), 422)
    assert house.events.messages == []
