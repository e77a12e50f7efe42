"""The queue's routes without a read model: refused clearly, whatever is asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.domain.events import PipelinePaused

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

READS = ("", "/review", "/dead-letter")


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 4_000
    return str(answer.json()["code"])


@pytest.mark.parametrize("path", READS)
async def test_without_a_read_model_nothing_is_guessed(house: House, path: str) -> None:
    answer = await house.client.get(f"/api/queue{path}")
    assert problem(answer, 503) == "read-model-away"
    assert answer.headers["retry-after"]


@pytest.mark.parametrize("path", ["/pause-all", "/resume-all"])
async def test_without_a_read_model_no_post_is_touched(house: House, path: str) -> None:
    post = await house.posted()
    answer = await house.client.post(f"/api/queue{path}")
    assert problem(answer, 503) == "read-model-away"
    history = await house.events.read(house.ref(post))
    assert not any(isinstance(fact, PipelinePaused) for _, fact in history.flow)


async def test_without_a_read_model_nothing_is_discarded(house: House) -> None:
    answer = await house.client.delete("/api/queue/dead-letter")
    assert problem(answer, 503) == "read-model-away"


NO_PAGES: list[dict[str, Any]] = [
    {"page": 0},
    {"page": 10**9},
    {"page": "x"},
    {"per_page": 0},
    {"per_page": 201},
    {"per_page": "1e3"},
    {"min_seq": -1},
    {"min_seq": 2**63},
    {"status": "failed"},
    {"page": "1\x00"},
]


@pytest.mark.parametrize("path", ["/review", "/dead-letter"])
async def test_a_page_that_is_none_is_refused(house: House, path: str) -> None:
    for params in NO_PAGES:
        answer = await house.client.get(f"/api/queue{path}", params=params)
        assert problem(answer, 422) == "invalid", params


@pytest.mark.parametrize("path", ["/pause-all", "/resume-all"])
async def test_a_key_that_is_none_is_refused(house: House, path: str) -> None:
    for key in ("", " ", "a b", "é".encode(), "k" * 256):
        headers: Any = {"Idempotency-Key": key}
        answer = await house.client.post(f"/api/queue{path}", headers=headers)
        assert problem(answer, 422) == "invalid", key


async def test_only_what_the_queue_knows_can_be_done_with_it(house: House) -> None:
    assert problem(await house.client.post("/api/queue"), 405) == "method-not-allowed"
    assert problem(await house.client.get("/api/queue/pause-all"), 405) == "method-not-allowed"
    assert problem(await house.client.get("/api/queue/none"), 404) == "not-found"
