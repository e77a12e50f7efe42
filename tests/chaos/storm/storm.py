"""One storm: a plant, twenty posts, people and watchers; then bad weather, then calm, then the
verdict.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from shared.domain.values import ORDER
from shared.local.plant import Plan
from tests.chaos.storm.evidence import gathered
from tests.chaos.storm.paths import failing_paths
from tests.chaos.storm.people import Client, Editor
from tests.chaos.storm.verdict import Seen, broken
from tests.chaos.storm.watchers import Watcher
from tests.chaos.storm.weather import Weather
from tests.e2e.press import pressing

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.press import Press

ACK_WAIT_S = 2.0
SKEW_S = 7200.0
QUIET_S = 150.0
LOOK_S = 0.5
WATCHED = 5
SETTINGS = {
    "GALLEY_ATTEMPTS_BACKOFF_BASE_S": "0.05",
    "GALLEY_CLAUDE_TIMEOUT_S": "10",
    "GALLEY_GEMINI_TIMEOUT_S": "5",
    "GALLEY_PERPLEXITY_TIMEOUT_S": "10",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What kind of storm: everything else follows from its seed, but for the machine's own pace."""

    seed: int
    seconds: float
    posts: int = 20


@dataclass(slots=True, kw_only=True)
class Report:
    """What was done to the plant, what it did meanwhile, and the laws it broke."""

    faults: Counter[str]
    figures: dict[str, float] = field(default_factory=dict)
    laws: list[str] = field(default_factory=list)


async def weathered(order: Order, data: Path, say: Callable[[str], None]) -> Report:
    """One storm on a plant of its own in `data`; what came of it."""
    lots = Random(order.seed)
    async with AsyncExitStack() as stack:
        paths = await stack.enter_async_context(failing_paths(data))
        press = await stack.enter_async_context(pressing(_plan(data, lots, paths.settings)))
        paths.lead_to(press.plant)
        weather = Weather(
            press, {"nats": paths.nats, "providers": paths.providers}, lots, ACK_WAIT_S
        )
        stack.push_async_callback(weather.calm)
        return await _Storm(order, press, weather, lots, say).pass_over()


def _plan(data: Path, lots: Random, settings: dict[str, str]) -> Plan:
    """One stage's clock is two hours off, ahead or behind."""
    stage, skew = str(lots.choice(ORDER)), lots.choice((SKEW_S, -SKEW_S))
    return Plan(
        data=data,
        simulator=("--picture-side", "64"),
        settings={**SETTINGS, **settings},
        modules={stage: ("tests.chaos.skewed", str(skew), f"services.{stage}")},
        ack_wait=ACK_WAIT_S,
        drain=5,
    )


class _Storm:
    """A plant while it is being put to the test."""

    def __init__(
        self,
        order: Order,
        press: Press,
        weather: Weather,
        lots: Random,
        say: Callable[[str], None],
    ) -> None:
        self._order = order
        self._press = press
        self._weather = weather
        self._say = say
        self._clients = [
            Client(press.http, Random(lots.random()), f"client-{number}")
            for number in range(order.posts)
        ]
        self._editors = [Editor(each, number) for number, each in enumerate(self._clients)]
        self._watchers: dict[str, Watcher] = {}

    async def pass_over(self) -> Report:
        began = time.monotonic()
        watching = await self._rage()
        self._say("calm: waiting until nothing moves")
        await self._quiet()
        self._say("asking for the rest of every post")
        async with asyncio.timeout(QUIET_S):
            await asyncio.gather(*(each.finish() for each in self._editors))
        await self._quiet()
        evidence = await gathered(self._press)
        await self._shown(evidence.log[-1].seq)
        for task in watching:
            task.cancel()
        seen = Seen(
            evidence,
            [told for client in self._clients for told in client.answered],
            [odd for client in self._clients for odd in client.odd],
            self._watchers,
        )
        figures = {
            "messages in the log": len(evidence.log),
            "provider calls": len(evidence.calls),
            "accepted changes": len(seen.answered),
            "streams broken off": sum(each.broken_off for each in self._watchers.values()),
            "seconds in all": time.monotonic() - began,
        }
        return Report(faults=self._weather.done, figures=figures, laws=broken(seen))

    async def _rage(self) -> list[asyncio.Task[None]]:
        """Posts, people and watchers in bad weather; the watchers go on afterwards."""
        self._say(f"handing in {len(self._editors)} posts")
        await asyncio.gather(*(each.hand_in() for each in self._editors))
        self._watchers = {
            each.post: Watcher(self._press.http, f"/api/events/{each.post}")
            for each in self._editors[:WATCHED]
        }
        watching = [asyncio.create_task(each.watch()) for each in self._watchers.values()]
        work = [asyncio.create_task(each.meddle()) for each in self._editors]
        work.append(asyncio.create_task(self._weather.rage()))
        self._say(f"the storm rages for {self._order.seconds:.0f} s")
        done, _ = await asyncio.wait(
            work, timeout=self._order.seconds, return_when=asyncio.FIRST_COMPLETED
        )
        await self._weather.calm()
        await self._ended(work)
        for task in done:
            task.result()
        return watching

    async def _ended(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _quiet(self) -> None:
        """Until every post rests. Those that do not in time are told by the verdict."""
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_S):
                while await self._moving():
                    await asyncio.sleep(LOOK_S)

    async def _moving(self) -> bool:
        for client, editor in zip(self._clients, self._editors, strict=True):
            told = await client.read(editor.post)
            if told is not None and told["waits_for"] not in {"", "person"}:
                return True
        return False

    async def _shown(self, end: int) -> None:
        """Give the watchers the time to be shown what was written last."""
        await self._press.projected(str(end))
        counts = None
        while counts != (counts := [len(each.shown) for each in self._watchers.values()]):
            await asyncio.sleep(2)
