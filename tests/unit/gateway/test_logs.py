"""Searching all logs: what cannot be a filter is refused before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

NO_FILTERS: list[dict[str, Any]] = [
    {"level": "debug"},
    {"level": ["info", "banana"]},
    {"stage": "post"},
    {"since": "yesterday"},
    {"since": "2026-01-01T00:00:00"},
    {"until": ""},
    {"until": "9999-12-31T23:59:59-05:00"},
    {"profile_id": "x"},
    {"q": "q" * 201},
    {"q": "nul\x00"},
    {"q": "bidi \u202e"},
    {"order": "newest"},
    {"limit": 0},
    {"limit": 1_001},
    {"limit": "many"},
    {"cursor": 0},
    {"cursor": -1},
    {"cursor": 2**63},
    {"cursor": "x"},
    {"min_seq": -1},
    {"page": 1},
]


async def test_a_filter_that_is_none_is_refused_without_an_echo(house: House) -> None:
    for params in NO_FILTERS:
        answer = await house.client.get("/api/logs", params=params)
        assert answer.status_code == 422, params
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 4_000
        assert "q" * 201 not in answer.text


async def test_without_a_read_model_the_logs_cannot_be_searched(house: House) -> None:
    answer = await house.client.get("/api/logs", params={"level": ["info", "error"], "q": "%"})
    assert (answer.status_code, answer.json()["code"]) == (503, "read-model-away")
