"""The projector alone: a full log, empty tables, and a process that has nothing else to do."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import Misconfigured
from shared.jetstream import PROJECTOR
from shared.local.processes import Command, spawn
from tests.bench.rig import python
from tests.bench.rows import LOOK_EVERY_S, Rows, open_rows
from tests.bench.usage import cpu_seconds, difference, memory_mb

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from shared.local.environment import Environment

MODULE = "services.projector"


@dataclass(frozen=True, slots=True, kw_only=True)
class Projected:
    """`events` from the first batch on, in so many seconds; CPU by group, memory at the end."""

    events: int
    seconds: float
    cpu: Mapping[str, float]
    memory_mb: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / max(self.seconds, 1e-9)

    @property
    def cpu_us(self) -> dict[str, float]:
        """CPU microseconds per event, by group."""
        return {name: 1e6 * used / max(self.events, 1) for name, used in self.cpu.items()}


async def projected_alone(
    environment: Environment, dsn: str, others: Mapping[str, int], last: int, log: Path
) -> Projected:
    """Project the log up to `last` into the empty database at `dsn`."""
    told = environment.of(PROJECTOR, 0)
    await _migrated(told, log)
    async with open_rows(dsn) as rows, _running(told, log) as pid:
        pids = {**others, PROJECTOR: pid}
        first = await _begun(rows)
        cpu, began = cpu_seconds(pids), time.perf_counter()
        await rows.reached(last)
        return Projected(
            events=last - first,
            seconds=time.perf_counter() - began,
            cpu=difference(cpu, cpu_seconds(pids)),
            memory_mb=memory_mb(pids)[PROJECTOR],
        )


async def _migrated(environment: Mapping[str, str], log: Path) -> None:
    command = Command(name="migrate", argv=python(MODULE, "--migrate"), env=environment, log=log)
    child = await spawn(command)
    if await child.wait():
        raise Misconfigured(f"the tables could not be created: {child.last_words()}")


@asynccontextmanager
async def _running(environment: Mapping[str, str], log: Path) -> AsyncIterator[int]:
    child = await spawn(Command(name=PROJECTOR, argv=python(MODULE), env=environment, log=log))
    try:
        yield child.pid
    finally:
        await child.stop(5.0)


async def _begun(rows: Rows) -> int:
    """Where the projector stands when it has stored its first batch."""
    while not (position := (await rows.counts()).position):
        await asyncio.sleep(LOOK_EVERY_S / 10)
    return position
