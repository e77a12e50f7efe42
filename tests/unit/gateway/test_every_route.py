"""What no route may take, tried on every route there is: a new one cannot be forgotten."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute

from services.gateway.app import ROUTERS
from tests.unit.gateway.test_bad_input import JSON, SOME, clear

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

GOOD = {
    "post_id": SOME,
    "profile_id": SOME,
    "stage": "edit",
    "number": "1",
    "version": "1",
    "filename": "a.webp",
    "key_id": "0" * 16,
}
"""Something to stand at each place of an address; a place of a new name has to be added."""
BAD = {
    "post_id": ("not-a-uuid", "123", "%00", f"{SOME}x", "'; drop table posts", "%F0%9F%90%B6"),
    "profile_id": ("not-a-uuid", "123", "%00", f"{SOME}x", "x" * 5_000),
    "stage": ("cooking", "Edit", "post", "%00", "edit,write"),
    "number": ("0", "-1", "1.5", "x", "1" * 30),
    "key_id": ("0" * 15, "0" * 17, "G" * 16, "%00", "x"),
    "version": ("0", "-1", "1.5", "x", "1" * 30),
}
NO_JSON = {
    "empty": (b" ", 422),
    "cut": (b'{"topic": "T"', 422),
    "text": (b"nonsense", 422),
    "deep": (b'{"topic":' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400),
    "binary": (b"\xff\xfe\x00", 400),
    "number": (b"3", 422),
}
UPLOAD = "/api/posts/{post_id}/images/{number}"
BATCH = "/api/posts/batch"


ROUTES = [
    (method, route.path_format, route)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]
PLACES = [
    (method, path, place)
    for method, path, _ in ROUTES
    for place in re.findall(r"{(\w+)}", path)
    if place not in ("filename", "token")
]
"""Every place of an address where only some values can stand."""
BODIES = [
    (method, path)
    for method, path, route in ROUTES
    if route.body_field is not None and path != BATCH
]

WRITES = [
    (method, path) for method, path, route in ROUTES if method != "GET" and route.include_in_schema
]
KINDS = {
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "image/png",
    "text/csv",
    "text/plain",
}


@pytest.mark.parametrize(("method", "path", "place"), PLACES)
async def test_what_cannot_stand_in_an_address_is_refused_on_every_route(
    house: House, method: str, path: str, place: str
) -> None:
    for bad in BAD[place]:
        url = path.format(**{**GOOD, place: bad})
        clear(await house.client.request(method, url), 422)
    assert house.events.messages == []


@pytest.mark.parametrize("body", NO_JSON)
@pytest.mark.parametrize(("method", "path"), BODIES)
async def test_what_is_no_json_is_refused_on_every_route_that_takes_it(
    house: House, method: str, path: str, body: str
) -> None:
    content, status = NO_JSON[body]
    url = path.format(**GOOD)
    answer = await house.client.request(method, url, content=content, headers=JSON)
    clear(answer, status)
    assert house.events.messages == []


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_body_of_another_kind_is_refused_on_every_route_and_its_kinds_are_named(
    house: House, document: dict[str, Any], method: str, path: str
) -> None:
    operation = document["paths"][path][method.lower()]
    taken = set(operation.get("requestBody", {}).get("content", {"application/json": {}}))
    for kind in KINDS - taken:
        headers, url = {"content-type": kind}, path.format(**GOOD)
        answer = await house.client.request(method, url, content=b"{}", headers=headers)
        clear(answer, 415)
        assert all(each in answer.json()["detail"] for each in taken), kind
        assert not any(each in answer.json()["detail"] for each in KINDS - taken - {""}), kind


async def test_a_body_over_the_cap_is_refused_unread_on_every_route(house: House) -> None:
    """None of it is JSON: who read it first would say so."""
    for method, path, _ in ROUTES:
        if path in (UPLOAD, BATCH) or method == "GET":
            continue
        url = path.format(**GOOD)
        answer = await house.client.request(method, url, content=b"{" * 1_000_001, headers=JSON)
        clear(answer, 413)


@pytest.mark.parametrize("format_", ["pdf", "docx", "markdown.md", "HTML", "%00", "all/x"])
async def test_an_article_is_exported_in_known_formats_only(house: House, format_: str) -> None:
    post = await house.posted()
    clear(await house.client.get(f"/api/posts/{post}/export/{format_}"), 404)


def test_every_route_of_the_document_is_among_those_tried(document: dict[str, Any]) -> None:
    paths = document["paths"]
    told = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert told <= {(method, path) for method, path, _ in ROUTES}
    taking = {
        (method.upper(), path)
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert taking - {("POST", BATCH)} == {*BODIES}
