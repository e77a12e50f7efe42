"""`/livez` and `/readyz` over real HTTP, and the pulse of a loop."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.errors import Misconfigured
from shared.runtime.health import Pulse, Served, health, serve

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.runtime.health import Check, Message, Receive, Send


class Trouble:
    """A check that can be told what is wrong."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def __call__(self) -> str | None:
        return self.reason


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
async def http(trouble: Trouble) -> AsyncIterator[httpx.AsyncClient]:
    ready: dict[str, Check] = {"nats": trouble, "disk": lambda: None}
    app = health(live={"loop": lambda: None}, ready=ready, told={"role": lambda: "standby"})
    async with serve(app, "127.0.0.1", 0) as served, httpx.AsyncClient(base_url=served.url) as http:
        yield http


async def test_all_is_well(http: httpx.AsyncClient) -> None:
    answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "ok": True,
        "checks": {"nats": "ok", "disk": "ok"},
        "role": "standby",
    }


async def test_a_failed_check_gives_its_reason_and_only_its_own(
    http: httpx.AsyncClient, trouble: Trouble
) -> None:
    trouble.reason = "is not connected"
    answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"nats": "is not connected", "disk": "ok"}
    assert (await http.get("/livez")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/livez/", "/readyz/x", "/../livez%00", "/metrics"])
async def test_there_is_nothing_else(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code == 404


async def test_it_is_only_read(http: httpx.AsyncClient) -> None:
    assert (await http.head("/livez")).status_code == 200
    answer = await http.post("/livez", content=b"x" * 100_000)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_the_address_is_announced() -> None:
    announced: list[Served] = []
    async with serve(health({}, {}), "127.0.0.1", 0, announce=announced.append) as served:
        assert announced == [served]
        assert served.port > 0
    assert Served("::1", 5).url == "http://[::1]:5"


async def test_a_taken_port_is_said_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=str(port)):
            async with serve(health({}, {}), "127.0.0.1", port):
                pytest.fail("it is taken")


async def test_a_host_that_is_not_ours_is_said_in_words() -> None:
    with pytest.raises(Misconfigured, match=r"192\.0\.2\.1"):
        async with serve(health({}, {}), "192.0.2.1", 0):
            pytest.fail("it is not ours")


async def test_after_the_context_nobody_listens() -> None:
    async with serve(health({}, {}), "127.0.0.1", 0) as served:
        pass
    with pytest.raises(OSError, match="onnect"):
        await asyncio.open_connection(served.host, served.port)


async def test_an_answer_without_end_does_not_hold_up_the_end() -> None:
    asked = asyncio.Event()

    async def endless(scope: Message, receive: Receive, send: Send) -> None:
        asked.set()
        await asyncio.Event().wait()

    async with serve(endless, "127.0.0.1", 0, drain_s=1) as served:
        reader, writer = await asyncio.open_connection(served.host, served.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await asked.wait()
    assert b"200" not in await reader.read()
    writer.close()


async def test_an_error_inside_still_closes_the_server() -> None:
    with pytest.raises(KeyError):
        async with serve(health({}, {}), "127.0.0.1", 0):
            raise KeyError


def test_a_loop_that_does_not_turn_has_no_pulse() -> None:
    now = 100.0
    pulse = Pulse(lambda: now)
    now = 114.9
    assert pulse.check(15) is None
    now = 116.0
    assert pulse.check(15) == "has not turned for 16 s"
    pulse.beat()
    assert pulse.check(15) is None
