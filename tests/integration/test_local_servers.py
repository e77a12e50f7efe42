"""The local servers keep their data, refuse a second owner, and say why they do not start."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING

import asyncpg
import nats
import psutil
import pytest

from shared.errors import Misconfigured
from shared.local.nats_server import nats_server, serve_nats
from shared.local.postgres import postgres as postgres_server
from shared.local.postgres import serve_postgres
from shared.local.supervisor import Backoff, Notice, Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from shared.local.nats_server import NatsServer
    from shared.local.postgres import Postgres

JETSTREAM = "jetstream {}\n"

pytestmark = pytest.mark.integration


async def test_the_shared_nats_server_has_jetstream(nats_server: NatsServer) -> None:
    async with await nats.connect(nats_server.url) as client:
        assert (await client.jetstream().account_info()).streams >= 0


async def test_a_fresh_nats_server_is_empty(fresh_nats: NatsServer) -> None:
    async with await nats.connect(fresh_nats.url) as client:
        assert await client.jetstream().streams_info() == []


async def test_a_stream_is_there_again_after_a_restart(tmp_path: Path) -> None:
    async with (
        serve_nats(JETSTREAM, tmp_path) as server,
        await nats.connect(server.url) as client,
    ):
        stream = client.jetstream()
        await stream.add_stream(name="KEPT", subjects=["kept"])
        await stream.publish("kept", b"here")
    async with (
        serve_nats(JETSTREAM, tmp_path) as server,
        await nats.connect(server.url) as client,
    ):
        assert (await client.jetstream().stream_info("KEPT")).state.messages == 1


async def test_a_configuration_cannot_open_the_server_to_the_network(tmp_path: Path) -> None:
    wide_open = "host: 0.0.0.0\nport: 4222\nhttp: 0.0.0.0:8222\n" + JETSTREAM
    async with serve_nats(wide_open, tmp_path) as server:
        pid = json.loads((tmp_path / "nats-server.pid").read_text())["pid"]
        listening = {
            each.laddr.ip for each in psutil.Process(pid).net_connections() if not each.raddr
        }
    assert server.port != 4222
    assert listening == {"127.0.0.1"}


async def test_a_broken_configuration_is_named_in_the_refusal(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"Parse error on line 1.*nats-server\.log"):
        async with serve_nats("jetstream { nonsense", tmp_path):
            pass


async def test_passwords_in_the_configuration_are_for_its_owner_only(tmp_path: Path) -> None:
    async with serve_nats(JETSTREAM, tmp_path / "new"):
        assert (tmp_path / "new" / "nats.conf").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


async def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with serve_nats(JETSTREAM, tmp_path):
        with pytest.raises(Misconfigured, match=f"in use by another Galley .process {os.getpid()}"):
            async with serve_nats(JETSTREAM, tmp_path):
                pass


async def test_two_starts_at_once_leave_one_server(tmp_path: Path) -> None:
    opened = asyncio.Event()

    async def serve() -> None:
        async with serve_nats(JETSTREAM, tmp_path):
            opened.set()
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(serve()) for _ in range(2)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await opened.wait()
    assert [type(task.exception()) for task in done] == [Misconfigured]
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)


async def test_a_port_that_another_server_holds_is_not_taken_for_ours(
    fresh_nats: NatsServer, tmp_path: Path
) -> None:
    with pytest.raises(Misconfigured, match="address already in use"):
        async with serve_nats(JETSTREAM, tmp_path / "other", port=fresh_nats.port):
            pass


async def test_a_place_that_cannot_hold_data_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match=r"file/data cannot hold data: Not a directory"):
        async with serve_nats(JETSTREAM, tmp_path / "file" / "data"):
            pass


async def test_supervised_servers_come_back_with_their_data_when_they_are_killed(
    tmp_path: Path,
) -> None:
    again: asyncio.Queue[Notice] = asyncio.Queue()

    def note(notice: Notice) -> None:
        if notice.kind == "started":
            again.put_nowait(notice)

    log = nats_server(JETSTREAM, tmp_path / "nats")
    rows = await postgres_server(tmp_path / "postgres")
    async with Supervisor(note, backoff=Backoff(first=0.01)) as plant:
        for server in (log, rows):
            await plant.start(server.command)
            await again.get()
            await server.ready()
        await write_one(log, rows)
        for server in (log, rows):
            os.kill(plant.pids()[server.command.name], signal.SIGKILL)
            await again.get()
            await server.ready()
        assert await count(log, rows) == (1, 1)


async def write_one(log: NatsServer, rows: Postgres) -> None:
    async with await nats.connect(log.url) as client:
        await client.jetstream().add_stream(name="KEPT", subjects=["kept"])
        await client.jetstream().publish("kept", b"here")
    connection = await asyncpg.connect(rows.dsn)
    await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    await connection.close()


async def count(log: NatsServer, rows: Postgres) -> tuple[int, int]:
    async with await nats.connect(log.url) as client:
        stored = (await client.jetstream().stream_info("KEPT")).state.messages
    connection = await asyncpg.connect(rows.dsn)
    try:
        return stored, await connection.fetchval("SELECT count(*) FROM kept")
    finally:
        await connection.close()


async def test_each_test_gets_a_database_of_its_own(
    fresh_database: str, postgres: Postgres
) -> None:
    connection = await asyncpg.connect(fresh_database)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_stat_user_tables") == 0
        assert await connection.fetchval("SELECT current_database()") != postgres.database
    finally:
        await connection.close()


async def test_rows_are_there_again_after_a_restart(tmp_path: Path) -> None:
    async with serve_postgres(tmp_path) as server:
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
        await connection.close()
    async with serve_postgres(tmp_path) as server:
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SELECT one FROM kept") == 1
        await connection.close()


async def test_a_data_directory_with_a_long_and_odd_name_works(tmp_path: Path) -> None:
    deep = tmp_path / ("a 'quoted', \"odd\" näme " + "x" * 120)
    async with serve_postgres(deep, database='odd "name"') as server:
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SELECT current_database()") == 'odd "name"'
        await connection.close()


async def test_an_initialisation_cut_short_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "half").write_text("made")
    async with serve_postgres(tmp_path) as server:
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_data_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(Misconfigured, match=r"made by Postgres 9\.6"):
        async with serve_postgres(tmp_path):
            pass


async def test_a_setting_postgres_refuses_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no_such_setting"):
        async with serve_postgres(tmp_path, settings={"no_such_setting": "1"}):
            pass


async def test_text_is_sorted_and_stored_alike_everywhere(fresh_database: str) -> None:
    connection = await asyncpg.connect(fresh_database)
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SELECT lower('ÄÖ') || ('Z' < 'a')::text") == "äötrue"
    finally:
        await connection.close()
