"""What goes wrong in a storm: drawn from its seed, done to the processes and paths of one plant.

Every fault ends by itself or is ended when the storm is over; `done` counts what was done.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.local.environment import SERVICES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from random import Random

    from tests.chaos.proxy import Proxy
    from tests.e2e.press import Press

    type Fault = Callable[[], Awaitable[str]]

SERVERS = ("nats-server", "postgres")
RULES = (
    ("claude", "529*3"),
    ("claude", "reset_mid*2"),
    ("claude", "end_mid*1"),
    ("gemini", "503*2"),
    ("perplexity", "429*2"),
    ("claude", "delay:2*4"),
)


class Weather:
    """The faults of one storm. `paths` are the TCP paths that can fail, by name."""

    def __init__(
        self, press: Press, paths: dict[str, Proxy], lots: Random, ack_wait: float
    ) -> None:
        self._press = press
        self._paths = paths
        self._lots = lots
        self._ack_wait = ack_wait
        self._stopped: set[int] = set()
        self._lasting: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()

    async def rage(self) -> None:
        """One fault after the other, some of them at once, until cancelled."""
        faults: tuple[tuple[Fault, int], ...] = (
            (self._kill_service, 8),
            (self._freeze_service, 5),
            (self._kill_server, 2),
            (self._freeze_server, 1),
            (self._slow_path, 3),
            (self._hold_path, 2),
            (self._break_path, 3),
            (self._lose_path, 1),
            (self._rule, 2),
        )
        kinds, weights = zip(*faults, strict=True)
        while True:
            await asyncio.sleep(self._lots.uniform(0.2, 1.5))
            fault = self._lots.choices(kinds, weights)[0]
            self.done[await fault()] += 1

    async def calm(self) -> None:
        """End every fault that lasts."""
        for task in tuple(self._lasting):
            task.cancel()
        for pid in tuple(self._stopped):
            self._go_on(pid)
        for path in self._paths.values():
            path.release()
        with suppress(Exception):
            await self._press.simulator.drop_rules()

    def _for(self, seconds: float, end: Callable[[], None]) -> None:
        async def last() -> None:
            await asyncio.sleep(seconds)
            end()

        task = asyncio.create_task(last())
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)

    # --- processes ----------------------------------------------------------------------------

    async def _kill_service(self) -> str:
        return self._kill(self._lots.choice(SERVICES))

    async def _kill_server(self) -> str:
        return self._kill(self._lots.choice(SERVERS))

    def _kill(self, name: str) -> str:
        if (pid := self._press.plant.pids().get(name)) is None:
            return f"{name} was down already"
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return f"kill {name}"

    async def _freeze_service(self) -> str:
        """Often for longer than ack_wait: then another delivery has begun when it wakes."""
        return self._freeze(
            self._lots.choice(SERVICES), self._lots.uniform(0.5, 3 * self._ack_wait)
        )

    async def _freeze_server(self) -> str:
        return self._freeze(self._lots.choice(SERVERS), self._lots.uniform(0.5, 4.0))

    def _freeze(self, name: str, seconds: float) -> str:
        pid = self._press.plant.pids().get(name)
        if pid is None or pid in self._stopped:
            return f"{name} was down already"
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._stopped.add(pid)
            self._for(seconds, lambda: self._go_on(pid))
        return f"freeze {name}"

    def _go_on(self, pid: int) -> None:
        self._stopped.discard(pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    # --- paths and providers ------------------------------------------------------------------

    async def _slow_path(self) -> str:
        name, path = self._path()
        path.slow(self._lots.uniform(0.02, 0.4))
        self._for(self._lots.uniform(1.0, 4.0), path.release)
        return f"slow path to {name}"

    async def _hold_path(self) -> str:
        name, path = self._path()
        path.hold()
        self._for(self._lots.uniform(0.5, 5.0), path.release)
        return f"black hole to {name}"

    async def _break_path(self) -> str:
        name, path = self._path()
        path.reset()
        return f"reset to {name}"

    async def _lose_path(self) -> str:
        name, path = self._path()
        path.half_open()
        return f"half open to {name}"

    def _path(self) -> tuple[str, Proxy]:
        return self._lots.choice(sorted(self._paths.items()))

    async def _rule(self) -> str:
        provider, fault = self._lots.choice(RULES)
        with suppress(Exception):
            await self._press.simulator.tell("rules", provider=provider, fault=fault)
        return f"{provider} {fault}"
