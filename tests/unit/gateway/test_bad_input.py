"""Bad input is a clear 4xx problem: one shape, bounded, and never an echo of what was sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

SOME = "33333333-3333-4333-8333-333333333333"
JSON = {"content-type": "application/json"}


def clear(answer: httpx.Response, status: int) -> None:
    """A problem of this status that a client can read and a server can bear."""
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 6_000
    told = answer.json()
    assert told["status"] == status
    assert told["type"].startswith("urn:galley:problem:")
    assert told["title"]
    assert told["detail"]


@pytest.mark.parametrize(
    "topic",
    [
        "",
        " \t\n",
        "a" * 501,
        "a" * 900_000,
        "nul\x00",
        "bell\x07",
        "line\nbreak",
        "bidi \u202e evil",
        "isolate \u2066",
        "\ufeffmark",
        7,
        None,
        ["T"],
        {"a": 1},
    ],
)
async def test_a_topic_that_is_none_is_refused(house: House, topic: object) -> None:
    clear(await house.client.post("/api/posts", json={"topic": topic}), 422)
    assert house.events.messages == []


async def test_a_topic_of_lone_surrogates_is_refused(house: House) -> None:
    body = rb'{"topic": "\ud800 half"}'
    clear(await house.client.post("/api/posts", content=body, headers=JSON), 422)


async def test_a_topic_of_html_is_only_text(house: House) -> None:
    post = await house.posted(topic="<script>alert(1)</script>")
    answer = await house.client.get(f"/api/posts/{post}")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["topic"] == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "field",
    [
        {"word_count": -1},
        {"word_count": 99},
        {"word_count": 10**9},
        {"word_count": "2000"},
        {"word_count": 2000.5},
        {"word_count": True},
        {"slug": "../etc/passwd"},
        {"slug": "Upper"},
        {"slug": ""},
        {"slug": "a" * 121},
        {"slug": "two--dashes"},
        {"slug": "dot.dot"},
        {"profile_id": "nobody"},
        {"intent": "world domination"},
        {"article_type": "novel"},
        {"output_format": "pdf"},
        {"website_url": "javascript:alert(1)"},
        {"website_url": "not a url"},
        {"competitor_urls": ["ftp://x"]},
        {"competitor_urls": ["https://x.org"] * 51},
        {"related_keywords": ["a"] * 51},
        {"related_keywords": ["a" * 101]},
        {"related_keywords": [""]},
        {"related_keywords": "puppy"},
        {"niche": "a" * 501},
        {"brand_voice": "nul\x00"},
        {"stage_settings": {"research": "banana"}},
        {"stage_settings": {"cooking": "auto"}},
        {"stage_settings": "auto"},
        {"gate_deadline_s": 0},
        {"gate_outcome": "explode"},
        {"no_such_field": 1},
        {"id": SOME},
        {"x" * 10_000: 1},
    ],
    ids=lambda field: str(field)[:40],
)
async def test_a_field_out_of_bounds_is_refused_and_named(
    house: House, field: dict[str, Any]
) -> None:
    answer = await house.client.post("/api/posts", json={"topic": "T", **field})
    clear(answer, 422)
    [name] = field
    assert answer.json()["errors"][0]["field"].startswith(f"body.{name[:80]}")
    assert house.events.messages == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"nonsense", 422),
        (b'{"topic": "T"', 422),
        (b"[]", 422),
        (b"null", 422),
        (b"3", 422),
        (b"\xff\xfe\x00", 400),
        (b'{"topic":' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400),
    ],
    ids=["empty", "brace", "text", "cut", "list", "null", "number", "binary", "deep"],
)
async def test_a_body_that_is_no_object_is_refused(house: House, body: bytes, status: int) -> None:
    clear(await house.client.post("/api/posts", content=body, headers=JSON), status)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "x"]
)
async def test_a_body_of_another_kind_is_refused(house: House, kind: str) -> None:
    for route in ("/api/posts", f"/api/posts/{SOME}/approve", f"/api/posts/{SOME}/pause"):
        answer = await house.client.post(route, content=b"{}", headers={"content-type": kind})
        clear(answer, 415)


async def test_a_body_over_the_cap_is_refused_unread(house: House) -> None:
    for route in ("/api/posts", f"/api/posts/{SOME}/pause", "/nowhere"):
        answer = await house.client.post(route, content=b" " * 1_000_001, headers=JSON)
        clear(answer, 413)


async def test_a_body_that_grows_over_the_cap_is_refused(house: House) -> None:
    async def endless() -> Any:
        for _ in range(2_000):
            yield b" " * 1_000

    clear(await house.client.post("/api/posts", content=endless(), headers=JSON), 413)


@pytest.mark.parametrize(
    "query",
    [
        "status=banana",
        "stage=cooking",
        "sort=metadata",
        "sort=created_at;drop",
        "order=up",
        "page=0",
        "page=-1",
        "page=10000001",
        "page=x",
        "per_page=0",
        "per_page=201",
        "profile_id=x",
        "q=%00",
        "q=" + "a" * 201,
        "min_seq=-1",
        "min_seq=99999999999999999999",
        "unknown=1",
    ],
)
async def test_a_bad_question_to_the_list_is_refused(house: House, query: str) -> None:
    clear(await house.client.get(f"/api/posts?{query}"), 422)


@pytest.mark.parametrize(
    "query",
    [
        "level=banana",
        "level=debug",
        "stage=cooking",
        "since=yesterday",
        "since=2026-01-01T00:00:00",
        "since=2026-13-01T00:00:00Z",
        "since=0001-01-01T00:00:00%2B05:00",
        "since=",
        "cursor=-1",
        "cursor=0",
        "cursor=x",
        "after=1",
        "limit=0",
        "limit=5001",
        "limit=1e3",
    ],
)
async def test_a_bad_question_to_the_logs_is_refused(house: House, query: str) -> None:
    post = await house.posted()
    clear(await house.client.get(f"/api/posts/{post}/logs?{query}"), 422)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("reject", {}),
        ("reject", {"note": " "}),
        ("reject", {"note": "a" * 5_001}),
        ("approve", {"review": 0}),
        ("approve", {"review": "12"}),
        ("approve", {"review": 2**63}),
        ("approve", {"content": ""}),
        ("approve", {"content": "nul\x00"}),
        ("approve", {"content": "a" * 400_001}),
        ("approve", {"actor": "ann"}),
        ("approve", {"edited": "x"}),
        ("cancel", {"reason": "a" * 501}),
        ("rerun/cooking", {}),
        ("rerun/edit?cascade=maybe", {}),
        ("run?stage=cooking", {}),
    ],
    ids=str,
)
async def test_a_bad_command_is_refused(house: House, action: str, body: dict[str, Any]) -> None:
    post = await house.posted(stage_settings={"research": "review"})
    before = len(house.events.messages)
    clear(await house.client.post(f"/api/posts/{post}/{action}", json=body), 422)
    assert len(house.events.messages) == before


@pytest.mark.parametrize("header", ["abc", "-1", "1.5", "1" * 21, "0x10", "\uff11\uff12"])
async def test_a_last_event_id_that_is_none_is_refused(house: House, header: str) -> None:
    post = await house.posted()
    for route in (f"/api/events/{post}", "/api/events"):
        headers = [(b"last-event-id", header.encode())]
        clear(await house.client.get(route, headers=headers), 400)
        clear(await house.client.get(route, params={"last_event_id": header}), 400)
        valid = {"Last-Event-ID": "1"}
        answer = await house.client.get(route, headers=valid, params={"last_event_id": header})
        clear(answer, 400)


async def test_an_unknown_address_and_a_wrong_method_are_problems_too(house: House) -> None:
    clear(await house.client.get("/nowhere"), 404)
    clear(await house.client.get("/api/posts/"), 404)
    clear(await house.client.get(f"/media/{SOME}/..%2f..%2fetc%2fpasswd"), 404)
    answer = await house.client.delete("/api/posts")
    clear(answer, 405)
    assert "GET" in answer.headers["allow"]


async def test_a_validation_problem_does_not_repeat_the_input(house: House) -> None:
    answer = await house.client.post(
        "/api/posts", json={"topic": "T", "intent": "S3CRET", "tone": "S3CRET" * 200}
    )
    assert "S3CRET" not in answer.text


async def test_a_hundred_wrong_fields_are_told_in_short(house: House) -> None:
    body = {f"field-{number}": 1 for number in range(100)}
    answer = await house.client.post("/api/posts", content=json.dumps(body), headers=JSON)
    clear(answer, 422)
    assert len(answer.json()["errors"]) == 20
