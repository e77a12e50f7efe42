"""Asking for costs: what cannot be asked is refused, what cannot be known is not invented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

NO_FILTERS: list[dict[str, Any]] = [
    {"days": 0},
    {"days": -1},
    {"days": 3_651},
    {"days": "all"},
    {"group": "topic"},
    {"group": ""},
    {"stage": "post"},
    {"profile_id": "none"},
    {"model": "m" * 201},
    {"model": "nul\x00"},
    {"min_seq": 2**63},
    {"unknown": 1},
]


async def test_a_filter_that_is_none_is_refused(house: House) -> None:
    for params in NO_FILTERS:
        answer = await house.client.get("/api/costs", params=params)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid"), params


async def test_without_a_read_model_no_sum_is_made_up(house: House) -> None:
    answer = await house.client.get("/api/costs", params={"days": 3_650, "model": "'; --"})
    assert (answer.status_code, answer.json()["code"]) == (503, "read-model-away")
