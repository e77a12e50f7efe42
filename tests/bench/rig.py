"""A running plant to measure, and its processes' pids by name.

Its log and its rows stay in the data directory when it ends: other measurements begin there.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain.values import ORDER
from shared.local.layout import Layout
from shared.local.plant import Plan, running_plant
from shared.local.postgres import postgres
from tests.bench.posts import Posts
from tests.bench.rows import Rows, open_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from shared.local.supervisor import Notice

CANNED = {str(stage): ("tests.bench.stage", str(stage)) for stage in ORDER}
"""Stage processes that answer themselves, by service."""
SMALL_PICTURES = ("--picture-side", "256")
DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Rig:
    """What a measurement needs: where to hand posts in and with which key, where they end up, whom
    to watch."""

    gateway: str
    key: str
    at_once: int
    rows: Rows
    pids: Mapping[str, int]

    def posts(self) -> Posts:
        """Fresh connections: the gateway hangs up on those that were silent for long."""
        return Posts(self.gateway, self.key, self.at_once)


@asynccontextmanager
async def rig(
    data: Path,
    *,
    canned: bool,
    concurrency: int,
    at_once: int,
    say: Callable[[str], None],
) -> AsyncIterator[Rig]:
    """A plant of eight real services; `canned` puts the in-process provider into the stages.

    They are executed, as in production: a forked service shares its packages' memory with others.
    """
    plan = Plan(
        data=data,
        settings={"GALLEY_CONCURRENCY": str(concurrency)},
        simulator=SMALL_PICTURES,
        modules=CANNED if canned else {},
        drain=DRAIN_S,
        forks=False,
    )
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        plant = await enter(running_plant(plan, _crashes_only(say), lambda _: None))
        rows = await enter(open_rows((await postgres(Layout(data).postgres)).dsn))
        key = Layout(data).first_key()
        pids = _counted(plant.pids(), canned=canned)
        yield Rig(plant.address.gateway, key, at_once, rows, pids)


def _counted(pids: Mapping[str, int], *, canned: bool) -> dict[str, int]:
    """With canned answers the simulator has nothing to do, and is no part of what is measured."""
    return {name: pid for name, pid in pids.items() if not canned or name != "simulator"}


def _crashes_only(say: Callable[[str], None]) -> Callable[[Notice], None]:
    def told(notice: Notice) -> None:
        if notice.kind == "crashed":
            say(f"{notice.name} ended by itself (code {notice.code}): {notice.told[:200]}")

    return told


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs one of our modules with this very interpreter."""
    return (sys.executable, "-m", module, *arguments)
