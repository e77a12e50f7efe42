"""The consuming loop of a stage: fetch as much as there is room for, run it, drain on demand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from shared.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.eventlog import Delivery, Inbox
    from shared.runtime.health import Pulse
    from shared.runtime.run import StageRunner

log = structlog.get_logger()

AWAY = 0.5
"""Seconds to wait before fetching again from a log that is away."""


class Worker:
    """Keeps `slots()` runs of one stage in hand; the setting may change while it works."""

    def __init__(
        self, inbox: Inbox, runner: StageRunner, slots: Callable[[], int], pulse: Pulse
    ) -> None:
        self._inbox = inbox
        self._runner = runner
        self._slots = slots
        self._pulse = pulse
        self._running: set[asyncio.Task[None]] = set()
        self._freed = asyncio.Event()

    @property
    def busy(self) -> int:
        """How many runs are in hand now."""
        return len(self._running)

    @property
    def slots(self) -> int:
        """How many runs it would take in hand now."""
        return self._slots()

    async def run(self) -> None:
        """Fetch and work until cancelled. What is in hand then is left to `drain`."""
        while True:
            self._pulse.beat()
            free = self._slots() - len(self._running)
            if free <= 0:
                await self._room()
                continue
            for delivery in await self._fetch(free):
                self._begin(delivery)

    async def _fetch(self, free: int) -> list[Delivery]:
        try:
            return list(await self._inbox.fetch(free))
        except LogUnavailable as error:
            log.warning("worker.log_away", stage=self._runner.stage, why=str(error))
            await asyncio.sleep(AWAY)
            return []

    async def _room(self) -> None:
        """Wait for a free slot, waking now and then because the setting may have changed."""
        self._freed.clear()
        try:
            await asyncio.wait_for(self._freed.wait(), timeout=1.0)
        except TimeoutError:
            log.debug("worker.full", stage=self._runner.stage, busy=len(self._running))

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._runner.handle(delivery))
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._freed.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker.bug", stage=self._runner.stage, exc_info=error)

    async def drain(self, grace: float) -> int:
        """Let what is in hand finish for `grace` seconds, then hand it back; how many were handed
        back."""
        if not self._running:
            return 0
        log.info("worker.draining", stage=self._runner.stage, runs=len(self._running), grace=grace)
        _, late = await asyncio.wait(self._running, timeout=grace)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return len(late)
