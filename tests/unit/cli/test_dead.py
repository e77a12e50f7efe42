"""What `galley dead clear` tells of a dead letter that was cleared whole, in part or not at all."""

from __future__ import annotations

import asyncio

import pytest

from shared.cli.app import outcome
from tests.unit.cli.test_client import answer, serving

LOST = {"post_id": "p1", "why": "the log is away"}


def cleared(count: int, failed: int) -> bytes:
    failures = [LOST] * min(failed, 20)
    return answer({"status": "cleared", "count": count, "failed": failed, "failures": failures})


async def test_a_cleared_dead_letter_is_counted() -> None:
    async with serving(cleared(2, 0)) as server:
        words = ["dead", "clear", "--yes", "--note", "no use", "--url", server.url]
        assert await asyncio.to_thread(outcome, words) == 0
    [(request, headers)] = server.asked
    assert request.startswith("DELETE /api/queue/dead-letter?note=no+use")
    assert headers["idempotency-key"]


@pytest.mark.parametrize(("failed", "more"), [(2, ""), (25, "and 5 more")])
async def test_posts_that_could_not_be_given_up_are_named(
    capsys: pytest.CaptureFixture[str], failed: int, more: str
) -> None:
    async with serving(cleared(3, failed)) as server:
        words = ["dead", "clear", "--yes", "--url", server.url]
        assert await asyncio.to_thread(outcome, words) == 1
    told = capsys.readouterr().out
    assert told.startswith(f"Given up: 3. Not given up: {failed}; the same command tries again.\n")
    assert told.count("p1: the log is away\n") == min(failed, 20)
    assert more in told


def test_nobody_clears_the_dead_letter_by_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["dead", "clear", "--url", "http://127.0.0.1:9"]) == 2
    assert "say --yes" in capsys.readouterr().err
