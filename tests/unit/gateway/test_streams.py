"""Streams on a real socket: every id once, in order, whoever joins, leaves, lags or comes back."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain.events import Progressed
from shared.domain.values import ORDER, Stage
from shared.eventlog import Tokens
from shared.testing import NOW
from tests.unit.gateway.listener import barely_reading, listening

if TYPE_CHECKING:
    from services.gateway.streams.feed import Subscription
    from tests.unit.gateway.conftest import House


async def say(house: House, post: UUID, *messages: str) -> None:
    for message in messages:
        line = Progressed(post_id=post, at=NOW, stage=Stage.RESEARCH, run=1, message=message)
        await house.events.say(house.ref(post), line)


def watching(house: House) -> list[Subscription]:
    return [each for group in house.gateway.feed._watching.values() for each in group]


async def told(house: House, post: UUID, piece: Tokens) -> None:
    await house.live.publish(house.ref(post), piece)


def piece(text: str, offset: int, *, run: int = 2, attempt: int = 1) -> Tokens:
    return Tokens(
        stage=Stage.WRITE, run=run, key="draft", attempt=attempt, offset=offset, text=text
    )


async def test_a_stream_begins_with_the_state_and_goes_on_live(served: House) -> None:
    post = await served.posted()
    async with listening(served.client, f"/api/events/{post}") as listener:
        snapshot = await listener.next()
        assert snapshot.name == "snapshot"
        assert snapshot.id == len(served.events.messages)
        assert snapshot.data["current_stage"] == "research"
        assert [line["event"] for line in snapshot.data["execution_logs"]] == ["pipeline_start"]
        await served.complete(post, Stage.RESEARCH)
        done = await listener.next()
        assert (done.name, done.data["model"], done.data["duration_s"]) == (
            "stage_complete",
            "m",
            1.23,
        )
        assert done.data["post_id"] == str(post)
        assert done.data["timestamp"] == NOW.isoformat()


async def test_a_snapshot_is_of_one_moment_and_what_follows_is_told_after_it(
    served: House,
) -> None:
    post = await served.posted()
    await served.gateway.feed.reached(len(served.events.messages))

    async def meanwhile() -> None:
        await served.complete(post, Stage.RESEARCH)

    served.events.before["read"] = meanwhile
    async with listening(served.client, f"/api/events/{post}") as listener:
        snapshot, done = await listener.some(2)
    assert snapshot.data["stage_status"]["research"] == "running"
    assert [line["event"] for line in snapshot.data["execution_logs"]] == ["pipeline_start"]
    assert (done.name, done.data["stage"]) == ("stage_complete", "research")


async def test_an_id_of_a_replica_that_is_ahead_is_resumed_without_repeats(served: House) -> None:
    post = await served.posted()
    await served.gateway.feed.reached(len(served.events.messages))
    served.events.held.clear()
    await say(served, post, "seen elsewhere", "also seen", "new")
    seen = len(served.events.messages) - 1
    async with listening(served.client, "/api/events", last=seen) as listener:
        served.events.held.set()
        assert (await listener.next()).data["message"] == "new"


async def test_a_stream_right_after_the_post_knows_it(served: House) -> None:
    for _ in range(5):
        post = await served.posted()
        async with listening(served.client, f"/api/events/{post}") as listener:
            assert (await listener.next()).data["id"] == str(post)


async def test_the_whole_history_is_told_from_zero(served: House) -> None:
    post = await served.posted()
    await say(served, post, "one", "two")
    await served.finish(post)
    async with listening(served.client, f"/api/events/{post}", last=0) as listener:
        events = await listener.until("pipeline_complete")
    assert [event.name for event in events] == [
        "pipeline_start",
        "log",
        "log",
        *["stage_complete"] * 6,
        "pipeline_complete",
    ]


async def test_a_stream_cut_anywhere_resumes_without_gap_or_duplicate(served: House) -> None:
    post, other = await served.posted(), await served.posted()
    await say(served, other, "of another post")
    await served.finish(post)
    await say(served, post, *(f"line {number}" for number in range(20)))
    path = f"/api/events/{post}"
    async with listening(served.client, path, last=0) as listener:
        whole = await listener.until("pipeline_complete") + await listener.some(20)
    ids = [event.id for event in whole]
    for cut in range(len(ids) - 1):
        async with listening(served.client, path, last_event_id=ids[cut]) as listener:
            rest = await listener.some(len(ids) - cut - 1)
        assert [event.id for event in rest] == ids[cut + 1 :]


async def test_the_header_wins_over_the_parameter(served: House) -> None:
    post = await served.posted()
    await say(served, post, "one", "two")
    here = len(served.events.messages)
    path = f"/api/events/{post}"
    async with listening(served.client, path, last=here - 1, last_event_id=0) as listener:
        assert (await listener.next()).data["message"] == "two"


async def test_joining_while_lines_are_written_misses_and_repeats_nothing(served: House) -> None:
    post = await served.posted()
    path = f"/api/events/{post}"

    async def write() -> None:
        for number in range(200):
            await say(served, post, str(number))
            await asyncio.sleep(0)

    async def read(count: int) -> list[str]:
        async with listening(served.client, path, last=0) as listener:
            events = await listener.until("pipeline_start") + await listener.some(count)
        assert [event.id for event in events] == sorted({event.id or 0 for event in events})
        return [event.data["message"] for event in events if event.name == "log"]

    writing = asyncio.create_task(write())
    found = await asyncio.gather(*(read(200) for _ in range(5)))
    await writing
    assert all(messages == [str(number) for number in range(200)] for messages in found)


async def test_the_common_stream_tells_of_every_post(served: House) -> None:
    async with listening(served.client, "/api/events") as listener:
        first, second = await served.posted(), await served.posted()
        events = await listener.some(2)
        assert [event.data["post_id"] for event in events] == [str(first), str(second)]
        last = listener.last_id
    await say(served, first, "missed")
    async with listening(served.client, "/api/events", last=last) as listener:
        assert (await listener.next()).data["message"] == "missed"


async def test_a_common_stream_cut_before_any_event_knows_where_to_resume(served: House) -> None:
    post = await served.posted()
    async with listening(served.client, "/api/events") as listener:
        await say(served, post, "first")
        await listener.next()
    anchor = len(served.events.messages)
    async with listening(served.client, "/api/events") as listener:
        line = await listener.line()
    assert line == f"id: {anchor}"


async def test_an_id_of_another_log_gets_a_reset_and_the_state(served: House) -> None:
    post = await served.posted()
    async with listening(served.client, f"/api/events/{post}", last=10**6) as listener:
        reset, snapshot = await listener.some(2)
        assert (reset.name, snapshot.name) == ("reset", "snapshot")
        assert listener.last_id == len(served.events.messages)
        await say(served, post, "after")
        assert (await listener.next()).data["message"] == "after"


async def test_an_unknown_post_has_no_stream(served: House) -> None:
    answer = await served.client.get(f"/api/events/{UUID(int=9)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-post")
    assert watching(served) == []


async def test_a_quiet_stream_has_a_heartbeat(served: House) -> None:
    post = await served.posted()
    async with listening(served.client, f"/api/events/{post}") as listener:
        await listener.next()
        while await listener.line() != ": heartbeat":
            continue


async def test_live_text_reaches_who_watches_and_who_joins_later(served: House) -> None:
    post = await served.posted()
    path = f"/api/events/{post}"
    async with listening(served.client, path) as early:
        await early.next()
        await told(served, post, piece("Once ", 0))
        await told(served, post, piece("upon", 5))
        pieces = await early.some(2)
        assert [(each.name, each.id) for each in pieces] == [("tokens", None)] * 2
        assert "".join(each.data["text"] for each in pieces) == "Once upon"
        async with listening(served.client, path) as late:
            assert (await late.next()).name == "snapshot"
            joined = await late.next()
            assert (joined.data["offset"], joined.data["text"]) == (0, "Once upon")
            await told(served, post, piece("Twice", 0, attempt=2))
            again = await late.next()
            assert (again.data["attempt"], again.data["text"]) == (2, "Twice")


async def test_live_text_is_gone_when_the_stage_is_complete(served: House) -> None:
    post = await served.posted()
    path = f"/api/events/{post}"
    await served.complete(post, Stage.RESEARCH, Stage.OUTLINE)
    run = await served.run(post)
    async with listening(served.client, path) as listener:
        await listener.next()
        await told(served, post, piece("Once", 0, run=run))
        await listener.next()
        await served.complete(post, Stage.WRITE)
        await listener.until("stage_complete")
        await told(served, post, piece("too late", 4, run=run))
        await say(served, post, "end")
        assert (await listener.next()).data["message"] == "end"
    async with listening(served.client, path) as listener:
        await listener.next()
        await say(served, post, "no text before this")
        assert (await listener.next()).name == "log"


async def test_a_client_that_leaves_is_forgotten(served: House) -> None:
    post = await served.posted()
    async with listening(served.client, f"/api/events/{post}") as listener:
        await listener.next()
        [subscription] = watching(served)
    while watching(served):
        await asyncio.sleep(0.01)
    assert not subscription.over.is_set()


async def test_closing_ends_every_stream_and_takes_no_new_one(served: House) -> None:
    post = await served.posted()
    async with listening(served.client, f"/api/events/{post}") as listener:
        await listener.next()
        served.gateway.feed.close()
        assert await listener.rest() == []
    answer = await served.client.get(f"/api/events/{post}")
    assert answer.status_code == 503


async def test_a_client_that_does_not_read_is_cut_and_can_resume(served: House) -> None:
    post = await served.posted()
    path = f"/api/events/{post}"
    served.gateway.feed._capacity = 10
    reader, writer = await barely_reading(served.client, path)
    await reader.readuntil(b"\n\n")
    [subscription] = watching(served)
    written = 0
    while not subscription.over.is_set():
        await say(served, post, f"{written} " + "x" * 20_000)
        await served.gateway.feed.reached(len(served.events.messages))
        written += 1
        assert written < 5_000
    seen = re.findall(rb"^id: (\d+)$", await reader.read(), re.MULTILINE)
    writer.close()
    served.gateway.feed._capacity = 10_000
    ids = [int(each) for each in seen if int(each) > 3]
    async with listening(served.client, path, last=ids[-1] if ids else 0) as listener:
        while not ids or ids[-1] < len(served.events.messages):
            event = await listener.next()
            assert event.id is not None
            ids.append(event.id)
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(ids) == written


async def test_every_stage_event_of_the_contract_has_its_fields(served: House) -> None:
    post = await served.posted(stage_settings={"outline": "review"})
    async with listening(served.client, f"/api/events/{post}", last=0) as listener:
        await served.complete(post, Stage.RESEARCH, Stage.OUTLINE)
        await served.client.post(f"/api/posts/{post}/approve")
        await served.fail(post, ORDER[2])
        events = {event.name: event.data for event in await listener.until("stage_error")}
    common = {"event", "post_id", "seq", "stage", "message", "level", "timestamp", "data"}
    assert all(common <= set(data) for data in events.values())
    assert {"model", "duration_s", "cost_usd"} <= set(events["stage_complete"])
    assert events["stage_review"]["stage"] == "outline"
    assert events["stage_error"]["error"] == "too slow"
