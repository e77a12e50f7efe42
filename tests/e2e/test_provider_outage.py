"""A provider that is away for everybody costs no post its tries: they wait, and go on when it is
back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.domain.values import ORDER
from tests.e2e.press import PATIENCE, PAUSE, SHORT

if TYPE_CHECKING:
    from tests.e2e.press import Press, Row

TOPIC = "Waiting for Walnuts"
POSTS, TRIES = 4, 3
COMPLETE = dict.fromkeys(ORDER, "complete")
BETWEEN_TRIES_S = 1
"""So long that every post has failed once before the first of them tries again."""
MANY = 14
"""More calls than the tries of all posts together."""


async def test_posts_wait_while_their_provider_is_away_and_go_on_when_it_is_back(
    press: Press,
) -> None:
    rule = {"provider": "perplexity", "fault": f"503:{BETWEEN_TRIES_S}", "match": TOPIC}
    await press.simulator.tell("rules", **rule)
    posts = [await press.hand_in(f"{TOPIC} {number}", words=SHORT) for number in range(POSTS)]
    async with asyncio.timeout(PATIENCE):
        while len(await press.simulator.calls(TOPIC)) < MANY:
            await asyncio.sleep(PAUSE)
    await press.simulator.drop_rules()
    finished = [await press.finished(post) for post in posts]
    assert [each["stage_status"] for each in finished] == [COMPLETE] * POSTS
    retries = [entry for each in finished for entry in each["execution_logs"] if _is_retry(entry)]
    assert max(entry["data"]["attempt"] for entry in retries) < TRIES
    assert any("does not count" in entry["message"] for entry in retries)


def _is_retry(entry: Row) -> bool:
    return bool(entry["event"] == "retry")
