"""What is left after a storm: the log as it stands, the rows, a rebuild of them, and every line of
output.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import psutil

from services.projector.migrations import migrate
from shared.jetstream import GATEWAY, connect, open_log
from shared.local.layout import Layout
from tests.integration.projector.reading import Reading, applied, connected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from uuid import UUID

    from shared.eventlog import Stored
    from tests.e2e.press import Press

type Tables = dict[str, list[tuple[Any, ...]]]
REBUILT = "rebuilt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """`secrets` are the values that nobody may find anywhere, by name; `output` is by file."""

    log: Sequence[Stored]
    posts: dict[UUID, list[Stored]]
    rows: Tables
    rebuilt: Tables
    calls: Sequence[dict[str, Any]]
    output: dict[str, str]
    secrets: dict[str, str]


async def gathered(press: Press) -> Evidence:
    """Everything, once nothing moves any more."""
    root = press.plant.plan.data.resolve()
    settings = psutil.Process(press.plant.pids()["gateway"]).environ()
    log = await _log(settings)
    await press.projected(str(log[-1].seq))
    rows, anew = await _rows(settings["GALLEY_POSTGRES_DSN"], log)
    posts: dict[UUID, list[Stored]] = defaultdict(list)
    for stored in log:
        if stored.ref is not None:
            posts[stored.ref.id].append(stored)
    return Evidence(
        log=log,
        posts=dict(posts),
        rows=rows,
        rebuilt=anew,
        calls=await press.simulator.calls(),
        output=dict(_output(root)),
        secrets={
            **json.loads((root / "nats-users.json").read_text()),
            "api": Layout(root).first_key(),
        },
    )


async def _log(settings: dict[str, str]) -> list[Stored]:
    """To its end as it is now: what is read is counted, so that no silence is taken for it."""
    where = (settings["GALLEY_NATS_URL"], settings["GALLEY_NATS_USER"])
    found: list[Stored] = []
    async with connect(*where, settings["GALLEY_NATS_PASSWORD"], GATEWAY) as connection:
        log = open_log(connection, GATEWAY)
        end = (await log.state()).last
        async with aclosing(log.tail(0)) as tail:  # type: ignore[type-var]
            async for batch in tail:
                found += batch
                if found and found[-1].seq >= end:
                    return found
    raise AssertionError("a tail never ends")


async def _rows(dsn: str, log: Sequence[Stored]) -> tuple[Tables, Tables]:
    """The rows as they are, and as they are made from the log in a database of its own."""
    anew = dsn.replace("/galley?", f"/{REBUILT}?")
    async with connected(dsn) as connection:
        rows = await Reading(connection).everything()
        await connection.execute(f"drop database if exists {REBUILT}")
        await connection.execute(f"create database {REBUILT}")
    await migrate(anew)
    await applied(anew, *(log[at : at + 500] for at in range(0, len(log), 500)))
    fresh = await asyncpg.connect(anew)
    try:
        return rows, await Reading(fresh).everything()
    finally:
        await fresh.close()


def _output(root: Path) -> Iterator[tuple[str, str]]:
    for path in root.rglob("*.log"):
        yield str(path.relative_to(root)), path.read_text(errors="replace")
