"""A full press: 200 topics in one batch, watched from outside until every one is an article."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.press import Press

pytestmark = pytest.mark.slow

POSTS = 200
SHORT = 300
LOOK_EVERY = 0.5
LIMIT = 400
TOTAL = "total"
SEQ = "seq"


@pytest.mark.timeout(LIMIT)
async def test_two_hundred_posts_of_one_batch_all_complete_and_are_counted_at_every_moment(
    press: Press,
) -> None:
    rows = [{"topic": f"Batch topic {n}", "word_count": SHORT} for n in range(POSTS)]
    before = await _counts(press)
    answer = await press.http.post("/api/posts/batch", json=rows)
    assert answer.status_code == 201, answer.text
    ids = {each["id"] for each in answer.json()}
    assert len(ids) == POSTS
    stored = max(each["seq"] for each in answer.json())
    samples = await _watched(press, stored, before["complete"] + POSTS)
    assert all(sum(_buckets(each).values()) == each[TOTAL] for each in samples)
    assert {each[TOTAL] for each in samples} == {before[TOTAL] + POSTS}
    complete = [each["complete"] for each in samples]
    assert complete == sorted(complete)
    await _told_whole(press, ids)


async def _counts(press: Press, min_seq: int = 0) -> dict[str, int]:
    params = {"min_seq": str(min_seq)} if min_seq else {}
    answer = await press.http.get("/api/queue", params=params)
    assert answer.status_code == 200, answer.text
    counts: dict[str, int] = answer.json()
    return counts


def _buckets(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if name not in (TOTAL, SEQ)}


async def _watched(press: Press, stored: int, wanted: int) -> list[dict[str, int]]:
    """Every look at the queue from when all are there until so many are complete."""
    samples = [await _counts(press, stored)]
    while samples[-1]["complete"] < wanted:
        assert samples[-1]["failed"] == samples[0]["failed"]
        await asyncio.sleep(LOOK_EVERY)
        samples.append(await _counts(press))
    return samples


async def _told_whole(press: Press, ids: set[str]) -> None:
    """Every post tells its own story, each stage once, each line in its place."""
    for identity in ids:
        post: dict[str, Any] = {**await press.gateway.post(identity)}
        lines = post["execution_logs"]
        assert [line["seq"] for line in lines] == sorted({line["seq"] for line in lines})
        events = Counter(line["event"] for line in lines)
        assert (events["stage_start"], events["stage_complete"]) == (6, 6), identity
        assert (events["pipeline_start"], events["pipeline_complete"]) == (1, 1), identity
