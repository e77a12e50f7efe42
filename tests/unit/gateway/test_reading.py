"""A post is answered whole and never older than the log, Postgres or not."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House


async def test_a_post_is_there_at_once_with_nothing_projected(house: House) -> None:
    post = await house.posted()
    answer = await house.client.get(f"/api/posts/{post}")
    assert answer.status_code == 200
    assert answer.json()["current_stage"] == "research"


async def test_a_finished_post_has_all_its_fields(house: House) -> None:
    post = await house.posted()
    await house.complete(post, *ORDER[:4])
    await house.complete(post, Stage.IMAGES, output=json.dumps({"images": []}))
    await house.complete(post, Stage.READY)
    found = (await house.client.get(f"/api/posts/{post}")).json()
    assert found["current_stage"] == "complete"
    assert set(found["stage_status"].values()) == {"complete"}
    assert found["research_content"] == "# The research\n\nText."
    assert found["outline_content"] == "# The outline\n\nText."
    assert found["draft_content"] == "# The write\n\nText."
    assert found["final_md_content"] == "# The edit\n\nText."
    assert found["image_manifest"] == {"images": []}
    assert found["ready_content"] == "# The ready\n\nText."
    assert found["completed_at"] is not None
    assert found["stage_logs"]["write"] == {
        "model": "m",
        "tokens_in": 10,
        "tokens_out": 20,
        "duration_s": 1.23,
        "cost_usd": 0.123457,
    }
    events = [line["event"] for line in found["execution_logs"]]
    assert events == ["pipeline_start", *["stage_complete"] * 6, "pipeline_complete"]
    assert found["ledger"] == {"settled_usd": 0.0, "unconfirmed": [], "waits": None}


async def test_a_failure_is_told_in_words(house: House) -> None:
    post = await house.posted()
    await house.fail(post, Stage.RESEARCH)
    found = (await house.client.get(f"/api/posts/{post}")).json()
    assert found["current_stage"] == "failed"
    [failure] = found["failures"]
    assert (failure["stage"], failure["code"]) == ("research", "timeout")
    assert failure["message"] == "too slow"


async def test_an_open_review_is_named_by_its_sequence(house: House) -> None:
    post = await house.posted(stage_settings={"research": "review"})
    await house.complete(post, Stage.RESEARCH)
    found = (await house.client.get(f"/api/posts/{post}")).json()
    assert found["review"]["stage"] == "research"
    assert found["review"]["seq"] == found["seq"]
    assert found["waits_for"] == "person"


async def test_an_unknown_post_is_not_found(house: House) -> None:
    for route in ("", "/logs", "/calls", "/export/markdown", "/export/all"):
        url = f"/api/posts/22222222-2222-4222-8222-222222222222{route}"
        answer = await house.client.get(url)
        assert answer.status_code == 404, route
        assert answer.json()["code"] == "no-such-post"


async def test_a_manifest_a_person_has_spoilt_is_shown_as_it_is(house: House) -> None:
    post = await house.posted()
    await house.complete(post, *ORDER[:4])
    await house.complete(post, Stage.IMAGES, output="[" * 100_000)
    found = (await house.client.get(f"/api/posts/{post}")).json()
    assert found["image_manifest"] == {"raw": "[" * 100_000}


async def test_logs_are_filtered_by_level_stage_time_and_sequence(house: House) -> None:
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    house.later(hours=1)
    await house.fail(post, Stage.OUTLINE)

    async def asked(query: str) -> list[str]:
        answer = await house.client.get(f"/api/posts/{post}/logs?{query}")
        assert answer.status_code == 200, answer.text
        return [line["event"] for line in answer.json()["items"]]

    assert await asked("") == ["pipeline_start", "stage_complete", "stage_error"]
    assert await asked("level=error") == ["stage_error"]
    assert await asked("level=error&level=info") == [
        "pipeline_start",
        "stage_complete",
        "stage_error",
    ]
    assert await asked("stage=research") == ["pipeline_start", "stage_complete"]
    assert await asked("limit=1") == ["pipeline_start"]
    since = house.at[0].replace(tzinfo=None).isoformat()
    assert await asked(f"since={since}Z") == []
    assert await asked(f"since={since}%2B01:00") == ["stage_error"]
    first = (await house.client.get(f"/api/posts/{post}/logs?limit=1")).json()["next"]
    assert await asked(f"cursor={first}") == ["stage_complete", "stage_error"]


async def test_the_last_page_of_a_log_says_that_it_is_the_last(house: House) -> None:
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH, Stage.OUTLINE, Stage.WRITE)

    async def page(**asked: int | str) -> tuple[int, bool]:
        told = (await house.client.get(f"/api/posts/{post}/logs", params=asked)).json()
        assert told["next"] in (None, *[item["seq"] for item in told["items"][-1:]])
        return len(told["items"]), told["next"] is None

    assert await page(limit=3) == (3, False)
    assert await page(limit=4) == (4, True)
    assert await page(limit=5) == (4, True)
    assert await page(limit=3, stage="write") == (1, True)
    assert await page(cursor=2**53 - 1) == (0, True)


async def test_whoever_follows_next_in_a_growing_log_sees_each_entry_once(house: House) -> None:
    post, seen = await house.posted(), list[int]()
    todo, cursor = list(ORDER), None
    await house.complete(post, todo.pop(0), todo.pop(0))
    while cursor is not None or not seen:
        asked = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        told = (await house.client.get(f"/api/posts/{post}/logs", params=asked)).json()
        seen += [item["seq"] for item in told["items"]]
        cursor = told["next"]
        if todo:
            await house.complete(post, todo.pop(0))
    whole = (await house.client.get(f"/api/posts/{post}/logs")).json()["items"]
    assert seen == [item["seq"] for item in whole]
    assert len(seen) == 8


async def test_the_list_says_so_when_postgres_is_away(house: House) -> None:
    answer = await house.client.get("/api/posts")
    assert answer.status_code == 503
    assert answer.json()["code"] == "read-model-away"
    assert answer.headers["retry-after"] == "1"


async def test_a_sequence_the_gateway_has_not_seen_yet_is_waited_for(house: House) -> None:
    post = await house.posted()
    house.events.held.clear()
    await house.complete(post, Stage.RESEARCH)
    wanted = len(house.events.messages)
    waiting = asyncio.create_task(
        house.client.get(f"/api/posts/{post}", params={"min_seq": wanted})
    )
    await asyncio.sleep(0)
    assert not waiting.done()
    house.events.held.set()
    found = await waiting
    assert found.json()["stage_status"]["research"] == "complete"


async def test_a_sequence_that_does_not_come_ends_the_wait(house: House) -> None:
    house.events.held.clear()
    post = await house.posted()
    wanted = len(house.events.messages)
    answer = await house.client.get(f"/api/posts/{post}?min_seq={wanted}")
    assert (answer.status_code, answer.json()["code"]) == (503, "not-yet")


async def test_a_sequence_the_log_never_gave_out_is_waited_for_by_nobody(house: House) -> None:
    post = await house.posted()
    answer = await house.client.get(f"/api/posts/{post}?min_seq=1000")
    assert (answer.status_code, answer.json()["code"]) == (409, "beyond-log")


async def test_calls_wait_for_a_sequence_as_the_post_does(house: House) -> None:
    post = await house.posted()
    url = f"/api/posts/{post}/calls"
    for asked, status in ((1000, 409), (-1, 422), (len(house.events.messages), 200)):
        assert (await house.client.get(url, params={"min_seq": asked})).status_code == status
    house.events.held.clear()
    await house.complete(post, Stage.RESEARCH)
    late = await house.client.get(url, params={"min_seq": len(house.events.messages)})
    assert (late.status_code, late.json()["code"]) == (503, "not-yet")


async def test_health_answers_on_every_address(house: House) -> None:
    assert (await house.client.get("/health")).json()["status"] == "ok"
    assert (await house.client.get("/livez")).status_code == 200
    ready = await house.client.get("/readyz")
    assert ready.status_code == 200, ready.text


async def test_the_plain_page_stands_without_postgres_and_without_script(house: House) -> None:
    answer = await house.client.get("/")
    assert answer.status_code == 200
    assert "cannot be read just now" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert (await house.client.get("/style.css")).headers["content-type"].startswith("text/css")
