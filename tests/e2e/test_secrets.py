"""No secret of a running plant is where anybody but its owner looks: canaries, and where they are
not found."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import asyncpg
import httpx
import psutil
import pytest_asyncio
from rich.console import Console

from shared.cli.doctor import examine
from shared.jetstream import GATEWAY, connect, open_log
from shared.local.layout import Layout
from tests.e2e.conftest import CANARIES
from tests.e2e.press import SHORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.press import Press

ENOUGH = 12
"""A shorter word would be found by chance."""


def environments(press: Press) -> Iterator[dict[str, str]]:
    for pid in press.plant.pids().values():
        yield psutil.Process(pid).environ()


def secrets(press: Press) -> set[str]:
    """Every password and key that any process of the plant was told."""
    names = ("_PASSWORD", "_API_KEY", "_SECRET")
    told = (item for environ in environments(press) for item in environ.items())
    found = {value for name, value in told if name.endswith(names) and len(value) >= ENOUGH}
    assert found >= set(CANARIES.values())
    assert len(found) >= len(CANARIES) + 8
    return found


def betrayed(text: str, found: set[str]) -> list[str]:
    return sorted(secret[:8] for secret in found if secret in text)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def found(press: Press) -> set[str]:
    """The secrets, once there was something to say: a post that ended well and one that did not."""
    well = await press.hand_in("Quiet Quinces", words=SHORT)
    ill = await press.hand_in("Loud Lychees [[sim:401]]", words=SHORT)
    await press.finished(well)
    assert (await press.rest(ill))["current_stage"] == "failed"
    return secrets(press)


async def test_no_secret_is_in_the_log(press: Press, found: set[str]) -> None:
    told = next(each for each in environments(press) if each.get("GALLEY_NATS_USER") == GATEWAY)
    nats = (told["GALLEY_NATS_URL"], GATEWAY, told["GALLEY_NATS_PASSWORD"])
    async with connect(*nats, "canaries") as connection:
        log = open_log(connection, GATEWAY)
        last, read = (await log.state()).last, 0
        async for batch in log.tail(0):
            for stored in batch:
                assert betrayed(f"{stored.subject} {stored.data!r}", found) == []
                read = stored.seq
            if read >= last:
                break
    assert read >= last > 0


async def test_no_secret_is_in_the_rows(press: Press, found: set[str]) -> None:
    told = next(each for each in environments(press) if each.get("GALLEY_NATS_USER") == GATEWAY)
    rows = await asyncpg.connect(told["GALLEY_POSTGRES_DSN"])
    try:
        tables = await rows.fetch(
            "select format('%I.%I', schemaname, tablename) as name from pg_tables"
            " where schemaname not in ('pg_catalog', 'information_schema')"
        )
        assert len(tables) >= 5
        for table in tables:
            query = f"select coalesce(string_agg(t::text, ' '), '') from {table['name']} t"  # noqa: S608  the server's own spelling
            assert betrayed(await rows.fetchval(query), found) == [], table["name"]
    finally:
        await rows.close()


def written(root: Path) -> Iterator[Path]:
    yield from (path for path in root.rglob("*.log") if path.is_file())


async def test_no_secret_is_in_what_the_processes_said(press: Press, found: set[str]) -> None:
    logs = list(written(press.root))
    assert len(logs) >= 9
    for path in logs:
        assert betrayed(path.read_text(errors="replace"), found) == [], path.name


async def test_no_secret_is_in_the_list_of_processes(press: Press, found: set[str]) -> None:
    family = [psutil.Process(pid) for pid in press.plant.pids().values()]
    everybody = [*family, *psutil.Process().children(recursive=True)]
    for process in everybody:
        assert betrayed(" ".join(process.cmdline()), found) == [], process.name()


async def test_no_secret_is_told_by_the_doctor_or_by_an_error(
    press: Press, found: set[str]
) -> None:
    told = io.StringIO()
    await examine(Console(file=told, width=1_000), Layout(press.root), "")
    assert "is ready" in told.getvalue()
    asked = [
        await press.http.get("/nowhere"),
        await press.http.get("/api/settings"),
        await press.http.get("/api/posts/x"),
        await press.http.post("/api/posts", content=b"{"),
        await press.http.get("/openapi.json"),
        await press.http.get("/readyz"),
    ]
    said = told.getvalue() + json.dumps([each.text + str(each.headers) for each in asked])
    assert betrayed(said, found) == []


async def test_what_holds_the_secrets_is_its_owner_s_alone(press: Press, found: set[str]) -> None:
    root = press.root
    for path in (
        path for path in root.rglob("*") if path.is_file() and path.stat().st_size < 10**6
    ):
        if betrayed(path.read_text(errors="replace"), found):
            private = any(not each.stat().st_mode & 0o077 for each in (path, *path.parents))
            assert private, path.relative_to(root)


async def test_the_gateway_that_runs_keeps_its_limits(press: Press) -> None:
    """The limits on connections are wired, not only written."""
    answer = await press.http.get("/livez", headers={"x-long": "a" * 200_000})
    assert answer.status_code == httpx.codes.REQUEST_HEADER_FIELDS_TOO_LARGE
