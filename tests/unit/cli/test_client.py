"""The client against a server that cuts, refuses and forgets: nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from shared.client import Event, Gateway
from shared.errors import (
    Flaw,
    GatewayAway,
    GatewayError,
    InvalidRequest,
    Misconfigured,
    StateConflict,
    Unanswered,
)
from shared.local.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CUT = b""
POST = "/api/posts/p"


class Server:
    """Answers each request with the next script, the last one for ever, and remembers them."""

    def __init__(self, *scripts: bytes) -> None:
        self._scripts = list(scripts)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            writer.close()
            return
        request, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in lines)}
        await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append((request.rpartition(" ")[0], headers))
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        writer.write(script)
        writer.close()


@asynccontextmanager
async def serving(*scripts: bytes) -> AsyncIterator[Server]:
    told = Server(*scripts)
    server = await asyncio.start_server(told.answer, "127.0.0.1", 0)
    told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield told


def answer(body: object, status: int = 200) -> bytes:
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def stream(*events: str) -> bytes:
    """A stream that is cut in the middle."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"".join(f"{len(each):x}\r\n{each}\r\n".encode() for each in events)


def sse(number: int, name: str = "log") -> str:
    return f'id: {number}\nevent: {name}\ndata: {{"seq": {number}}}\n\n'


async def first(gateway: Gateway, count: int, after: str | None = "0") -> list[Event]:
    found: list[Event] = []
    async for event in gateway.follow("p", after):
        found.append(event)
        if len(found) == count:
            break
    return found


async def test_a_broken_stream_is_taken_up_after_the_last_event() -> None:
    scripts = (stream(sse(1), sse(2)), CUT, answer({"detail": "soon"}, 503), stream(sse(3)))
    async with serving(*scripts) as server, Gateway(server.url) as gateway:
        assert [event.id for event in await first(gateway, 3)] == ["1", "2", "3"]
    assert [headers["last-event-id"] for _, headers in server.asked] == ["0", "2", "2", "2"]


async def test_half_an_event_is_not_an_event() -> None:
    scripts = (stream(sse(1), "id: 2\nevent: log\n"), stream(sse(2)))
    async with serving(*scripts) as server, Gateway(server.url) as gateway:
        assert [event.id for event in await first(gateway, 2)] == ["1", "2"]
    assert server.asked[1][1]["last-event-id"] == "1"


async def test_a_stream_without_a_place_to_resume_begins_with_a_snapshot() -> None:
    async with serving(stream(sse(7, "snapshot"))) as server, Gateway(server.url) as gateway:
        (event,) = await first(gateway, 1, None)
    assert (event.name, event.id) == ("snapshot", "7")
    assert "last-event-id" not in server.asked[0][1]


async def test_after_a_reset_it_goes_on_in_the_new_log() -> None:
    scripts = (stream(sse(3, "reset"), sse(3, "snapshot")), stream(sse(4)))
    async with serving(*scripts) as server, Gateway(server.url) as gateway:
        names = [event.name for event in await first(gateway, 3, "99")]
    assert names == ["reset", "snapshot", "log"]
    assert server.asked[1][1]["last-event-id"] == "3"


async def test_a_stream_that_never_comes_back_is_given_up() -> None:
    async with serving(stream(sse(1)), CUT) as server, Gateway(server.url, patience=0.3) as gateway:
        with pytest.raises(GatewayAway, match="no gateway answers at http://127"):
            await first(gateway, 2)


async def test_a_stream_that_is_always_closed_at_once_is_given_up() -> None:
    closed = stream() + b"0\r\n\r\n"
    async with serving(closed) as server, Gateway(server.url, patience=0.3) as gateway:
        with pytest.raises(GatewayAway):
            await first(gateway, 1)
    assert len(server.asked) < 10


async def test_a_stream_of_a_post_that_is_not_there_is_refused_in_words() -> None:
    refusal = answer({"detail": "there is no such post"}, 404)
    async with serving(refusal) as server, Gateway(server.url) as gateway:
        with pytest.raises(GatewayError, match="there is no such post"):
            await first(gateway, 1)
    assert len(server.asked) == 1


async def test_a_change_that_was_not_answered_is_repeated_under_the_same_key() -> None:
    scripts = (answer({"status": "ok"}), CUT, answer({"detail": "busy"}, 503), answer({"id": "p"}))
    async with serving(*scripts) as server, Gateway(server.url) as gateway:
        await gateway.health()
        assert (await gateway.create("A topic"))["id"] == "p"
        assert (await gateway.create("A topic"))["id"] == "p"
    keys = [headers["idempotency-key"] for _, headers in server.asked[1:]]
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]


async def test_the_very_first_change_is_repeated_when_its_answer_is_lost() -> None:
    async with serving(CUT, answer({"id": "p"})) as server, Gateway(server.url) as gateway:
        assert (await gateway.create("A topic"))["id"] == "p"
    assert server.asked[0][1]["idempotency-key"] == server.asked[1][1]["idempotency-key"]


async def test_a_change_that_is_never_answered_may_have_been_done() -> None:
    async with serving(CUT) as server, Gateway(server.url, patience=0.3) as gateway:
        with pytest.raises(Unanswered, match="look before you repeat it"):
            await gateway.cancel("p")


async def test_every_change_but_a_patch_of_a_post_carries_a_key() -> None:
    async with serving(answer({"id": "p"})) as server, Gateway(server.url) as gateway:
        await gateway.approve("p", 7)
        await gateway.retry_dead("p")
        await gateway.create_profile("Site")
        await gateway.change_rules("write", "Write.")
        await gateway.delete("p")
    keys = [headers["idempotency-key"] for _, headers in server.asked]
    assert len(set(keys)) == len(keys) == 5


async def test_a_list_is_read_page_by_page_and_no_item_comes_twice() -> None:
    pages = [
        answer({"items": [{"id": "a"}, {"id": "b"}], "pages": 2}),
        answer({"items": [{"id": "b"}, {"id": "c"}], "pages": 2}),
    ]
    async with serving(*pages) as server, Gateway(server.url) as gateway:
        found = [each["id"] async for each in gateway.each_post(status="failed")]
    assert found == ["a", "b", "c"]
    assert [request.partition("?")[2] for request, _ in server.asked] == [
        f"order=asc&status=failed&page={page}&per_page=200" for page in (1, 2)
    ]


async def test_the_logs_of_all_posts_are_read_from_cursor_to_cursor() -> None:
    pages = answer({"items": [{"seq": 9}], "next": 9}), answer({"items": [], "next": None})
    async with serving(*pages) as server, Gateway(server.url) as gateway:
        assert [each["seq"] async for each in gateway.each_log(q="x")] == [9]
    assert server.asked[1][0].endswith("cursor=9")


async def test_a_stream_that_was_cut_before_anything_happened_misses_nothing() -> None:
    scripts = (stream("id: 5\n\n"), stream(sse(6)))
    async with serving(*scripts) as server, Gateway(server.url) as gateway:
        async for event in gateway.follow_all():
            assert event.id == "6"
            break
    assert [headers.get("last-event-id") for _, headers in server.asked] == [None, "5"]


async def test_a_state_that_does_not_allow_it_is_told_with_what_it_is() -> None:
    told = {
        "detail": "write is running",
        "code": "stage-running",
        "current_stage": "write",
        "review": {"seq": 12, "stage": "write"},
        "version": 4,
    }
    async with serving(answer(told, 409)) as server, Gateway(server.url) as gateway:
        with pytest.raises(StateConflict, match="write is running") as refused:
            await gateway.run("p")
    now = refused.value
    assert (now.status, now.code) == (409, "stage-running")
    assert (now.current_stage, now.review, now.version) == ("write", 12, 4)


async def test_each_wrong_row_of_a_batch_is_told_apart() -> None:
    rows = [{"row": 3, "field": "word_count", "problem": "Input should be greater"}]
    told = {"detail": "1 of the rows are not valid", "code": "invalid", "rows": rows}
    async with serving(answer(told, 422)) as server, Gateway(server.url) as gateway:
        with pytest.raises(InvalidRequest, match=r"^1 of the rows are not valid$") as refused:
            await gateway.batch([{"topic": "x"}])
    assert refused.value.flaws == (Flaw("word_count", "Input should be greater", 3),)


async def test_what_the_gateway_did_not_foresee_is_told_with_its_number() -> None:
    told = {"detail": "something went wrong here", "id": "k7"}
    async with serving(answer(told, 500)) as server, Gateway(server.url) as gateway:
        with pytest.raises(GatewayError, match=r"^something went wrong here: k7$"):
            await gateway.post("p")


async def test_a_gateway_never_met_is_not_waited_for() -> None:
    async with Gateway(f"http://127.0.0.1:{free_port()}", patience=3600) as gateway:
        with pytest.raises(GatewayAway, match="start one with `galley up`"):
            await gateway.create("A topic")


async def test_the_log_is_read_page_by_page() -> None:
    scripts = (
        answer({"items": [{"seq": 1}, {"seq": 4}], "next": 4}),
        answer({"items": [], "next": 7}),
        answer({"items": [{"seq": 9}], "next": None}),
    )
    async with serving(*scripts) as server, Gateway(server.url) as gateway:
        assert [entry["seq"] for entry in await gateway.logs("p", stage="write")] == [1, 4, 9]
    cursors = [request.partition("cursor=")[2] for request, _ in server.asked]
    assert cursors == ["", "4", "7"]


async def test_each_wrong_field_is_named_with_its_problem() -> None:
    wrong = [{"field": "body.topic", "problem": "Value error, is bad"}] * 5
    refusal = {"detail": "5 of the values sent are not valid", "errors": wrong}
    async with serving(answer(refusal, 422)) as server, Gateway(server.url) as gateway:
        with pytest.raises(GatewayError) as told:
            await gateway.create("x")
    assert str(told.value) == "topic: is bad; topic: is bad; topic: is bad; and 2 more"
    assert told.value.status == 422


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b"\xff"])
async def test_what_is_no_gateway_is_said_to_be_none(body: bytes) -> None:
    reply = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    async with serving(reply) as server, Gateway(server.url) as gateway:
        with pytest.raises(GatewayError, match="is no Galley gateway"):
            await gateway.post("p")
        with pytest.raises(GatewayError, match="is no Galley gateway"):
            await first(gateway, 1)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"detail": null}'])
async def test_an_error_without_words_is_told_by_its_status(body: bytes) -> None:
    reply = f"HTTP/1.1 500 Oh\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    async with serving(reply) as server, Gateway(server.url) as gateway:
        with pytest.raises(GatewayError, match="the gateway answered 500"):
            await gateway.post("p")


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://a", "http://", "http://a:b", "http://[a"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="is no address"):
        Gateway(url)
