"""The connection to a real server: it waits, it comes back, and it says what is wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from shared.domain.values import Stage
from shared.errors import LogUnavailable, Misconfigured
from shared.eventlog import Tokens
from shared.jetstream import GATEWAY, Alarm, Connection, connect, open_live
from shared.local.ports import free_port
from tests.integration.jetstream.server import PASSWORDS
from tests.integration.jetstream.stories import new_post

if TYPE_CHECKING:
    from tests.integration.jetstream.conftest import Mortal
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration

PIECE = Tokens(stage=Stage.WRITE, run=1, key="draft", attempt=1, offset=0, text="x")


async def test_a_wrong_password_is_refused_at_once(galley_nats: GalleyNats) -> None:
    with pytest.raises(Misconfigured, match="gateway"):
        async with connect(galley_nats.url, GATEWAY, "wrong", "test", patience=60):
            pass


async def test_without_a_server_patience_ends() -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    with pytest.raises(LogUnavailable, match=url):
        async with connect(url, GATEWAY, "x", "test", patience=0.5):
            pass


async def test_a_server_that_comes_later_is_found(mortal: Mortal) -> None:
    await mortal.kill()
    opened = asyncio.Event()

    async def wait_for_it() -> None:
        async with mortal.galley.connect(GATEWAY) as connection:
            assert connection.problem() is None
            opened.set()

    waiting = asyncio.create_task(wait_for_it())
    await mortal.start()
    await waiting
    assert opened.is_set()


async def test_a_connection_says_when_the_server_is_away_and_finds_it_again(
    mortal: Mortal,
) -> None:
    async with mortal.galley.connect(GATEWAY) as connection:
        lost = asyncio.Event()
        forget = connection.at_loss(lost.set)
        await mortal.kill()
        await lost.wait()
        assert connection.problem() == "NATS is away"
        assert not await connection.ready(0.1)
        forget()
        await mortal.start()
        assert await connection.ready(10)
        assert connection.problem() is None
        assert not connection.closed
    assert connection.closed
    assert connection.problem() is not None


async def test_one_of_several_servers_is_enough(galley_nats: GalleyNats) -> None:
    urls = f"nats://127.0.0.1:{free_port()},{galley_nats.url}"
    async with connect(urls, GATEWAY, PASSWORDS[GATEWAY], "test") as connection:
        assert connection.connected


async def test_what_each_of_several_absent_servers_answers_is_logged_once() -> None:
    connection = Connection(GATEWAY)
    with capture_logs() as logged:
        for _ in range(5):
            for port in (1, 2, 3):
                await connection._error(OSError(f"nobody at port {port}"))
    assert [each["error"] for each in logged] == [f"nobody at port {port}" for port in (1, 2, 3)]


async def test_whoever_wants_to_is_told_of_alarms(galley_nats: GalleyNats) -> None:
    told: list[Alarm] = []
    word = PASSWORDS["write"]
    async with connect(galley_nats.url, "write", word, "test", on_alarm=told.append) as connection:
        for _ in range(300):
            await connection.nc.publish("posts.forbidden", b"")
        while len(told) < 300:
            await connection.nc.flush()
        assert len(connection.alarms) == 200
    assert told[0].name == "nats.permission_denied"
    assert "posts.forbidden" in told[0].detail


async def test_live_text_that_makes_no_sense_is_passed_over(
    gateway: Connection, galley_nats: GalleyNats
) -> None:
    ref, last = new_post(), replace(PIECE, offset=1)
    async with galley_nats.connect("write") as writer, open_live(gateway).subscribe() as heard:
        live = open_live(writer)
        first = asyncio.ensure_future(anext(heard))
        while not first.done():
            await live.publish(ref, PIECE)
            await asyncio.wait({first}, timeout=0.05)
        for told in (b"", b"{}", b"[1]", b"[1,2,3,4,5,6]", b'["x","k",1,0,"t"]', b"\xff"):
            await writer.nc.publish(f"live.main.{ref.id}.write", told)
        await writer.nc.publish("live.main.nobody.write", b'[1,"k",1,0,"t"]')
        await live.publish(ref, replace(PIECE, text="x" * 300_000))
        await live.publish(ref, last)
        found = [await first]
        while found[-1] != (ref, last):
            found.append(await anext(heard))
    assert set(found) == {(ref, PIECE), (ref, last)}


async def test_live_text_is_lost_without_a_server_and_fails_nothing(mortal: Mortal) -> None:
    async with mortal.galley.connect("write") as writer:
        await mortal.kill()
        await open_live(writer).publish(new_post(), PIECE)
