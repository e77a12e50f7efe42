"""A stage's durable consumer: every request is lent again until it is settled, to whoever is there.

As on the server, nothing fences: an old holder prolongs, settles and hands back like the newest.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.domain.events import StageRequested
    from shared.domain.subjects import PostRef
    from tests.unit.runtime.simulation.world import World


class Loan:
    """One request, until it is settled."""

    def __init__(self, world: World, ref: PostRef, seq: int, request: StageRequested) -> None:
        self._world = world
        self._changed = asyncio.Event()
        self._until = 0.0
        self._back_after: float | None = None
        self.settled = False
        self.ref = ref
        self.seq = seq
        self.request = request

    def prolong(self) -> None:
        self._until = asyncio.get_running_loop().time() + self._world.policy.ack_wait

    def settle(self) -> None:
        self.settled = True
        self._changed.set()

    def hand_back(self, delay: float) -> None:
        self._back_after = delay
        self._changed.set()

    async def lend(self) -> None:
        """Until it is settled."""
        while not self.settled:
            process = await self._world.free_process(self.request.stage)
            if self.settled:
                return
            self._back_after = None
            self._changed.clear()
            self.prolong()
            self._world.deliver(process, self)
            if self._world.dice.chance(self._world.weather.twice):
                await asyncio.sleep(self._world.dice.pause(1.0))
                continue
            await self._over()

    async def _over(self) -> None:
        """Wait until it is settled, handed back or its time is up."""
        while not self.settled:
            try:
                async with asyncio.timeout_at(self._until):
                    await self._changed.wait()
            except TimeoutError:
                if asyncio.get_running_loop().time() >= self._until:
                    return
            if self._back_after is not None:
                await asyncio.sleep(self._back_after)
                return
