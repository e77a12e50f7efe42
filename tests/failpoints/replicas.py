"""A second worker for every stage, so that one may stand still while the other takes over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import psutil

from shared.domain.values import ORDER
from shared.jetstream import open_beats
from shared.local.processes import Command
from shared.local.supervisor import Supervisor
from tests.e2e.press import PATIENCE, PAUSE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.domain.values import Stage
    from shared.heartbeats import Beats
    from tests.failpoints.rig import Rig


class Replicas:
    """The workers of a stage: the plant's, and one more."""

    def __init__(self, rig: Rig, others: Supervisor, beats: Beats) -> None:
        self._rig = rig
        self._others = others
        self._beats = beats

    async def standing_still(self, post: str, stage: Stage, entry: str) -> None:
        """Through the stage, in which a worker is stopped there until another has finished its run;
        then it goes on, to its end."""
        self._rig.arm(stage, [entry])
        after = await self._rig.begun(post, stage)
        await self._rig.reached(stage, entry)
        pid = await self._stopped(stage)
        await self._rig.waits(post, stage, after)
        await self._go_on(pid)

    async def _stopped(self, stage: Stage) -> int:
        pids = (self._rig.press.plant.pids()[stage], self._others.pids()[stage])
        async with asyncio.timeout(PATIENCE):
            while True:
                for pid in pids:
                    if psutil.Process(pid).status() == psutil.STATUS_STOPPED:
                        return pid
                await asyncio.sleep(PAUSE)

    async def _go_on(self, pid: int) -> None:
        """Let it run, until it says that it has nothing in hand."""
        async with asyncio.timeout(PATIENCE), self._beats.subscribe() as beats:
            os.kill(pid, signal.SIGCONT)
            async for beat in beats:
                if beat.instance.endswith(f"-{pid}") and not beat.active:
                    return


@asynccontextmanager
async def replicated(rig: Rig) -> AsyncIterator[Replicas]:
    async with Supervisor(lambda _: None, grace=5) as others:
        for stage in ORDER:
            environment = psutil.Process(rig.press.plant.pids()[stage]).environ()
            command = Command(
                name=stage,
                argv=(sys.executable, "-P", "-m", f"services.{stage}"),
                env=environment | {"GALLEY_HEALTH_PORT": "0"},
                log=rig.press.plant.plan.data / "replicas.log",
                prefix=True,
            )
            await others.start(command)
        yield Replicas(rig, others, open_beats(rig.connection))
