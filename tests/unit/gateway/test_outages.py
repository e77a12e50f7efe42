"""With something away the gateway says what and when to come back, and never does a thing twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from shared.domain.events import PostCreated, StageApproved
from shared.domain.values import Stage

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House


def facts(house: House, kind: type) -> int:
    return sum(isinstance(each.fact, kind) for each in house.events.messages)


async def test_with_the_log_away_everything_says_so(house: House) -> None:
    post = await house.posted()
    house.events.away = True
    answers = [
        await house.client.post("/api/posts", json={"topic": "T"}),
        await house.client.post(f"/api/posts/{post}/pause"),
        await house.client.get(f"/api/posts/{post}"),
        await house.client.get(f"/api/posts/{post}/logs"),
        await house.client.get(f"/api/events/{post}"),
        await house.client.get(f"/media/{post}/a.webp"),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "log-unavailable")
        assert answer.headers["retry-after"] == "1"
    assert (await house.client.get("/health")).status_code == 200


async def test_a_create_the_server_did_not_confirm_is_found_and_not_repeated(
    house: House,
) -> None:
    house.events.unconfirmed = 1
    answer = await house.client.post("/api/posts", json={"topic": "T", "slug": "mine"})
    assert answer.status_code == 201
    assert facts(house, PostCreated) == 1


async def test_a_decision_the_server_did_not_confirm_is_found_and_not_repeated(
    house: House,
) -> None:
    post = await house.posted(stage_settings={"research": "review", "outline": "review"})
    await house.complete(post, Stage.RESEARCH)
    house.events.unconfirmed = 1
    assert (await house.client.post(f"/api/posts/{post}/approve")).status_code == 200
    assert facts(house, StageApproved) == 1


@pytest.mark.parametrize("defect", [ZeroDivisionError("S3CRET"), asyncio.CancelledError("S3CRET")])
async def test_a_defect_is_told_by_an_id_that_stands_in_the_log(
    house: House, defect: BaseException
) -> None:
    post = await house.posted()
    house.events.broken = defect
    with capture_logs() as lines:
        answer = await house.client.get(f"/api/posts/{post}")
    assert answer.status_code == 500
    assert "S3CRET" not in answer.text
    [line] = [each for each in lines if each["event"] == "gateway.unexpected"]
    assert line["id"] == answer.json()["id"]
    assert line["exc_info"] is defect
    house.events.broken = None
    assert (await house.client.get(f"/api/posts/{post}")).status_code == 200


async def test_the_api_document_names_every_route_and_its_problems(house: House) -> None:
    document = (await house.client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for operation in methods.values():
            answers = operation["responses"]
            assert "422" in answers or path == "/api/events", path
            assert "503" in answers, path
    body = document["components"]["schemas"]["PostCreate"]
    assert body["additionalProperties"] is False
    assert body["required"] == ["topic"]
