"""Five hundred clients, a gateway and a log that restart under them: everyone sees everything once.

The clients are as plain as they can be, so that what is measured is the gateway: HTTP/1.0 over a
socket, an id taken over when its event is whole, and back with that id after every end.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
import pytest

from services.gateway.access.first import FirstKey
from services.gateway.app import create_app
from services.gateway.wiring import assemble, read_model, running
from services.projector.migrations import migrate
from services.projector.runner import Projector
from services.projector.store import open_store
from shared.domain.events import Progressed, Recorded
from shared.domain.journal import journal
from shared.domain.subjects import MAIN, PostRef
from shared.domain.values import Stage
from shared.jetstream import (
    ADMIN,
    GATEWAY,
    PROJECTOR,
    connect,
    ensure,
    open_documents,
    open_live,
    open_log,
    open_media,
    server_config,
)
from shared.local.nats_server import nats_server
from shared.local.ports import LOOPBACK, free_port
from shared.local.processes import spawn
from shared.runtime.health import Pulse, serve
from shared.settings import Models
from shared.testing.access import BEARER, KEY
from tests.integration.jetstream.server import PASSWORDS
from tests.integration.test_gateway import BRISK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from shared.eventlog import EventLog
    from shared.jetstream import Connection
    from shared.local.nats_server import NatsServer
    from shared.local.processes import Child

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(120)]

CLIENTS = 500
POSTS = 4
LINES = 6
AGAIN_S = 1.0
WITHIN_S = 60.0
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Client:
    """Follows one address until it has seen `wanted`, through whatever happens to the server."""

    port: int
    path: str
    ids: list[int] = field(default_factory=list)
    last: int = 0
    joined: asyncio.Event = field(default_factory=asyncio.Event)
    visits: int = 0

    async def follow(self, wanted: asyncio.Future[int]) -> None:
        while not (wanted.done() and self.last >= wanted.result()):
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._visit(wanted)
            await asyncio.sleep(random.uniform(0, AGAIN_S))

    async def _visit(self, wanted: asyncio.Future[int]) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        try:
            asked = (
                f"GET {self.path} HTTP/1.0\r\nHost: {LOOPBACK}\r\n"
                f"Authorization: Bearer {KEY}\r\nLast-Event-ID: {self.last}\r\n\r\n"
            )
            writer.write(asked.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " in head.split(b"\r\n", 1)[0]:
                self.visits += 1
                await self._read(reader, wanted)
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, wanted: asyncio.Future[int]) -> None:
        """Event by event; a cut one counts for nothing."""
        while not (wanted.done() and self.last >= wanted.result()):
            event = (await reader.readuntil(b"\n\n")).decode()
            self.joined.set()
            assert "event: reset" not in event
            fields = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
            if "id" not in fields:
                continue
            self.last = int(fields["id"])
            if "data" in fields:
                self.ids.append(self.last)


@dataclass
class House:
    """A nats-server and a gateway of our own, each of which can go and come back."""

    nats: NatsServer
    child: Child
    dsn: str
    port: int

    def user(self, name: str) -> AbstractAsyncContextManager[Connection]:
        return connect(self.nats.url, name, PASSWORDS[name], f"test {name}")

    async def restart_nats(self) -> None:
        await self.child.stop(10.0)
        self.child = await spawn(self.nats.command)
        await self.nats.ready(self.child)

    @asynccontextmanager
    async def gateway(self) -> AsyncIterator[httpx.AsyncClient]:
        async with self.user(GATEWAY) as connection, read_model(self.dsn) as rows:
            documents = open_documents(connection, GATEWAY)
            gateway, attended = assemble(
                tenant=MAIN,
                events=open_log(connection, GATEWAY),
                documents=documents,
                media=open_media(connection),
                live=open_live(connection),
                rows=rows,
                clock=lambda: NOW,
                first=FirstKey(KEY, "local", documents, lambda: NOW),
                monotonic=monotonic,
                models=Models(models={}, perplexity_wire="agent").of_stages(),
            )
            async with (
                serve(create_app(gateway), LOOPBACK, self.port, drain_s=5) as where,
                running(gateway, attended),
                httpx.AsyncClient(base_url=where.url, headers=BEARER, timeout=20) as client,
            ):
                yield client

    @asynccontextmanager
    async def projector(self) -> AsyncIterator[None]:
        async with self.user(PROJECTOR) as connection:
            events = open_log(connection, PROJECTOR)
            projector = Projector(events, partial(open_store, self.dsn), Pulse(monotonic), BRISK)
            task = asyncio.create_task(projector.run())
            yield
            projector.stop()
            await task


@pytest.fixture
async def house(tmp_path: Path, fresh_database: str) -> AsyncIterator[House]:
    await migrate(fresh_database)
    server = nats_server(server_config(PASSWORDS), tmp_path / "nats")
    found = House(server, await spawn(server.command), fresh_database, free_port())
    try:
        await server.ready(found.child)
        async with found.user(ADMIN) as admin:
            await ensure(admin)
        yield found
    finally:
        await found.child.stop(10.0)


async def say(log: EventLog, posts: list[UUID], words: str) -> None:
    for number in range(LINES):
        lines = [_line(post, f"{words} {number}") for post in posts]
        await asyncio.gather(*(log.say(PostRef(MAIN, line.post_id), line) for line in lines))


def _line(post: UUID, message: str) -> Progressed:
    return Progressed(post_id=post, at=NOW, stage=Stage.RESEARCH, run=1, message=message)


async def handed_in(client: httpx.AsyncClient) -> list[UUID]:
    answers = [await client.post("/api/posts", json={"topic": f"T{n}"}) for n in range(POSTS)]
    return [UUID(answer.json()["id"]) for answer in answers]


async def told(log: EventLog) -> dict[str, list[int]]:
    """What each address has to have told, by the log."""
    last = (await log.state()).last
    found: dict[str, list[int]] = {"": []}
    async for batch in log.tail(0):
        for stored in batch:
            fact = stored.fact
            if stored.ref is not None and fact and journal(Recorded(stored.seq, fact)):
                found[""].append(stored.seq)
                found.setdefault(f"/{stored.ref.id}", []).append(stored.seq)
        if batch and batch[-1].seq >= last:
            break
    return found


async def test_everyone_sees_every_id_once_and_in_order_through_restarts(house: House) -> None:
    async with (
        asyncio.timeout(WITHIN_S),
        house.projector(),
        house.user("research") as research,
        house.user(GATEWAY) as reading,
    ):
        log, reader = open_log(research, "research"), open_log(reading, GATEWAY)
        wanted: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with house.gateway() as http:
            posts = await handed_in(http)
            paths = ["", *(f"/{post}" for post in posts)]
            clients = [
                Client(house.port, f"/api/events{paths[number % len(paths)]}")
                for number in range(CLIENTS)
            ]
            following = [asyncio.create_task(client.follow(wanted)) for client in clients]
            await asyncio.gather(*(client.joined.wait() for client in clients))
            await say(log, posts, "before")
        await say(log, posts, "while the gateway is away")
        async with house.gateway() as http:
            await say(log, posts, "after the gateway came back")
            await house.restart_nats()
            await say(log, posts, "after the log came back")
            for post in posts:
                answer = await http.post(f"/api/posts/{post}/cancel")
                assert answer.status_code == 200
            expected = await told(reader)
            wanted.set_result(min(seqs[-1] for seqs in expected.values()))
            await asyncio.gather(*following)
    for client in clients:
        seqs = expected[client.path.removeprefix("/api/events")]
        reached = [seq for seq in client.ids if seq <= wanted.result()]
        assert reached == [seq for seq in seqs if seq <= wanted.result()]
        assert client.ids == sorted(set(client.ids))
    assert min(client.visits for client in clients) >= 2
