"""What a browser sees live is what the log keeps: nothing is missing, doubled or made up."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from itertools import groupby
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.press import PATIENCE, SHORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from shared.client import Event
    from tests.e2e.press import Press, Row

AT_ONCE = 3


def _told(events: Iterable[Event]) -> list[tuple[Any, ...]]:
    """The stored events, as the execution log would have them."""
    names = ("seq", "event", "stage", "level", "message", "data")
    stored = [event for event in events if event.name != "tokens"]
    assert [event.id for event in stored] == [str(event.data["seq"]) for event in stored]
    return [tuple(event.data[name] for name in names) for event in stored]


def _kept(post: Row) -> list[tuple[Any, ...]]:
    names = ("seq", "event", "stage", "level", "message", "data")
    return [tuple(entry[name] for name in names) for entry in post["execution_logs"]]


async def _some(press: Press, post: str, after: str, count: int) -> list[Event]:
    """So many stored events after an id, then the client leaves; fewer when the post is done."""
    found: list[Event] = []
    async with asyncio.timeout(PATIENCE), aclosing(press.stream(post, after)) as stream:
        async for event in stream:
            found += [event] if event.name != "tokens" else []
            if len(found) == count or event.name == "pipeline_complete":
                break
    return found


async def test_the_stream_of_a_whole_run_is_its_execution_log(press: Press) -> None:
    post = await press.hand_in("Streaming Sunflowers", words=SHORT)
    story = await press.story(post)
    assert _told(story) == _kept(await press.read(post, story[-1].id))


async def test_who_joins_after_the_end_sees_the_same_story(press: Press) -> None:
    post = await press.hand_in("Late Lilies", words=SHORT)
    await press.finished(post)
    story = await press.story(post)
    assert _told(story) == _kept(await press.read(post))


async def test_a_client_cut_off_again_and_again_misses_and_repeats_nothing(press: Press) -> None:
    post = await press.hand_in("Choppy Chervil", words=SHORT)
    story: list[Event] = []
    while not story or story[-1].name != "pipeline_complete":
        story += await _some(press, post, story[-1].id if story else "0", AT_ONCE)
    assert _told(story) == _kept(await press.read(post, story[-1].id))


@pytest.mark.slow
async def test_a_stream_survives_the_death_of_the_gateway_without_gap_or_repetition(
    press: Press,
) -> None:
    topic = "Unbroken Umbels"
    await press.simulator.tell("hold", task="write", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    reading = asyncio.create_task(press.story(post))
    await press.simulator.held(1)
    await press.replaced("gateway", press.kill("gateway"))
    await press.simulator.tell("release")
    story = await reading
    assert _told(story) == _kept(await press.read(post, story[-1].id))


@pytest.mark.slow
async def test_a_gateway_that_drains_ends_its_streams_and_the_next_one_goes_on(
    press: Press,
) -> None:
    post = await press.hand_in("Drained Dahlias", words=SHORT)
    await press.finished(post)
    headers = {"Last-Event-ID": "0"}
    async with press.http.stream("GET", f"/api/events/{post}", headers=headers) as answer:
        lines, last = answer.aiter_lines(), ""
        async for line in lines:
            last = line.removeprefix("id: ") if line.startswith("id: ") else last
            if line == "event: pipeline_complete":
                break
        await press.plant.restart("gateway")
        await press.plant.ready(["gateway"])
        # An answer that is cut off instead of ended raises here.
        assert [line async for line in lines if line.startswith("event: ")] == []
    await press.told(post, "rerun/ready")
    again = await press.story(post, last)
    assert [event.name for event in again][:2] == ["pipeline_start", "stage_start"]


async def test_a_stream_without_an_id_begins_with_a_snapshot_of_the_post(press: Press) -> None:
    post = await press.hand_in("Pictured Peonies", words=SHORT)
    finished = await press.finished(post)
    async with press.http.stream("GET", f"/api/events/{post}") as answer:
        lines = answer.aiter_lines()
        head = [await anext(lines) for _ in range(2)]
    assert head[1] == "event: snapshot"
    assert int(head[0].removeprefix("id: ")) >= finished["seq"]


async def test_the_global_stream_tells_of_every_post(press: Press) -> None:
    posts = [await press.hand_in(f"Global Gooseberry {number}", words=SHORT) for number in range(2)]
    finished = [await press.finished(post) for post in posts]
    begun = finished[0]["execution_logs"][0]["seq"] - 1
    expected = {(post["id"], entry["seq"]) for post in finished for entry in post["execution_logs"]}
    headers = {"Last-Event-ID": str(begun)}
    seen: set[tuple[str, int]] = set()
    async with (
        asyncio.timeout(PATIENCE),
        press.http.stream("GET", "/api/events", headers=headers) as answer,
    ):
        async for event in _events(answer.aiter_lines()):
            seen.add((event["post_id"], event["seq"]))
            if expected <= seen:
                break
    assert expected <= seen


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Row]:
    async for line in lines:
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            if event.get("seq") and event.get("post_id"):
                yield event


def _body(document: str) -> str:
    """What follows the title, which the stage puts into its own words."""
    return document.partition("\n")[2].strip()


def _texts(story: Iterable[Event], stage: str) -> list[tuple[int, str, bool]]:
    """The texts that were written live: attempt, text, and whether it came without a hole."""
    pieces = [e.data for e in story if e.name == "tokens" and e.data["stage"] == stage]
    texts = []
    for attempt, group in groupby(pieces, key=lambda piece: piece["attempt"]):
        text, whole = "", True
        for piece in group:
            whole = whole and piece["offset"] <= len(text)
            text = text[: piece["offset"]] + piece["text"]
        texts.append((attempt, text, whole))
    return texts


async def test_the_live_text_is_the_draft_that_is_stored(press: Press) -> None:
    post = await press.hand_in("Live Lavender", words=SHORT)
    story = await press.story(post)
    draft = (await press.read(post, story[-1].id))["draft_content"]
    ((attempt, text, whole),) = _texts(story, "write")
    assert (attempt, whole) == (1, True)
    assert _body(draft) in text


async def test_a_new_attempt_begins_the_live_text_anew(press: Press) -> None:
    topic = "Restless Reeds"
    fault = {"provider": "claude", "fault": "cut_mid*1", "match": topic}
    await press.simulator.tell("rules", **fault)
    post = await press.hand_in(topic, words=SHORT)
    story = await press.story(post)
    await press.simulator.drop_rules()
    outline = (await press.read(post, story[-1].id))["outline_content"]
    (first, cut, _), (second, text, whole) = _texts(story, "outline")
    assert (first, second, whole) == (1, 2, True)
    assert cut
    assert text.startswith(cut)
    assert len(text) > len(cut)
    lines = [line.lstrip("# ") for line in _body(outline).splitlines()]
    lost = [line for line in lines if line not in text]
    assert lost == []
