"""The projector as it is run: a process of its own, on a real log, with only its own rights."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from shared.domain.commands import CreatePost
from shared.domain.decide import decide
from shared.domain.post import Post
from shared.domain.subjects import MAIN, PostRef
from shared.eventlog import Append
from shared.jetstream import ADMIN, GATEWAY, RIGHTS, connect, ensure, open_log, server_config
from shared.local.nats_server import serve_nats
from shared.testing import CONFIG, NOW, OTHER, POST
from tests.integration.projector.reading import Reading, until

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from shared.eventlog import EventLog
    from shared.jetstream import Connection

PASSWORDS = {user: f"word-of-{user}" for user in RIGHTS}


class Plant:
    """A log, an empty database, and projectors on them."""

    def __init__(self, url: str, dsn: str, events: EventLog, stack: AsyncExitStack) -> None:
        self.events = events
        self._stack = stack
        self.environment = os.environ | {
            "GALLEY_NATS_URL": url,
            "GALLEY_NATS_USER": "projector",
            "GALLEY_NATS_PASSWORD": PASSWORDS["projector"],
            "GALLEY_POSTGRES_DSN": dsn,
        }

    async def start(self, *arguments: str) -> Started:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.projector",
            *arguments,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        started = Started(process)
        self._stack.push_async_callback(started.end)
        return started

    async def create(self, post_id: UUID) -> int:
        """A post in the log; the sequence of its last fact."""
        facts = decide(Post(), CreatePost(post_id=post_id, config=CONFIG), NOW)
        return (await self.events.append(Append(ref=PostRef(MAIN, post_id), facts=facts, after=0)))[
            -1
        ]


class Started:
    """A projector's process and what it has said."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.said: list[str] = []
        self._hearing = asyncio.create_task(self._hear())

    async def _hear(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(line.decode())

    def heard(self, word: str) -> bool:
        return any(word in line for line in self.said)

    async def ended(self) -> int:
        await self._hearing
        return await self.process.wait()

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.ended()


@pytest.fixture
async def plant(fresh_database: str, tmp_path: Path) -> AsyncIterator[Plant]:
    async with (
        serve_nats(server_config(PASSWORDS, sync_interval="2m"), tmp_path / "nats") as server,
        _as(ADMIN, server.url) as admin,
        _as(GATEWAY, server.url) as gateway,
        AsyncExitStack() as stack,
    ):
        await ensure(admin)
        yield Plant(server.url, fresh_database, open_log(gateway, GATEWAY), stack)


@asynccontextmanager
async def _as(user: str, url: str) -> AsyncIterator[Connection]:
    async with connect(url, user=user, password=PASSWORDS[user], name="test") as connection:
        yield connection


@pytest.fixture
async def db(fresh_database: str) -> AsyncIterator[Reading]:
    connection = await asyncpg.connect(fresh_database)
    yield Reading(connection)
    await connection.close()


async def test_it_migrates_projects_stands_by_and_drains(plant: Plant, db: Reading) -> None:
    migrated = await plant.start("--migrate")
    assert await migrated.ended() == 0, migrated.said

    first = await plant.start()
    await until(lambda: first.heard("projector.projecting"))
    second = await plant.start()
    await until(lambda: second.heard("projector.standby"))
    last = await plant.create(POST)
    await projected(db, last)
    assert await db.all("select id, behind from posts") == [(POST, False)]
    assert await role(first) == (200, "projecting")
    assert await role(second) == (200, "standby")

    first.process.send_signal(signal.SIGTERM)
    assert await first.ended() == 0, first.said
    await until(lambda: second.heard("projector.projecting"))
    await projected(db, await plant.create(OTHER))
    second.process.send_signal(signal.SIGTERM)
    assert await second.ended() == 0, second.said
    words = "".join(first.said + second.said + migrated.said)
    assert PASSWORDS["projector"] not in words
    assert "Traceback" not in words


async def projected(db: Reading, seq: int) -> None:
    while await db.value("select max(seq) from position") != seq:
        await asyncio.sleep(0.01)


async def role(started: Started) -> tuple[int, str]:
    ready = next(json.loads(line) for line in started.said if "service.ready" in line)
    async with httpx.AsyncClient() as http:
        while True:
            answer = await http.get(f"{ready['health']}/readyz")
            if answer.status_code == 200:
                assert (await http.get(f"{ready['health']}/livez")).status_code == 200
                return answer.status_code, answer.json()["role"]


async def test_killed_in_the_middle_it_goes_on_where_it_was(plant: Plant, db: Reading) -> None:
    await (await plant.start("--migrate")).ended()
    killed = await plant.start()
    await projected(db, await plant.create(POST))
    killed.process.kill()
    await killed.ended()
    last = await plant.create(OTHER)
    await plant.start()
    await projected(db, last)
    assert await db.value("select count(*) from posts") == 2
    assert await db.value("select count(*) from quarantine") == 0


async def test_without_its_settings_it_says_which_one_is_missing(plant: Plant) -> None:
    del plant.environment["GALLEY_POSTGRES_DSN"]
    started = await plant.start()
    assert await started.ended() != 0
    assert started.heard("GALLEY_POSTGRES_DSN is not set")
    assert not started.heard("Traceback")


async def test_rows_of_another_log_are_refused_in_words(plant: Plant, db: Reading) -> None:
    await (await plant.start("--migrate")).ended()
    await db.all("insert into position (seq, identity, digest) values (7, 'another log', 'x')")
    started = await plant.start()
    assert await started.ended() != 0
    assert started.heard("another log")
    assert not started.heard("Traceback")
