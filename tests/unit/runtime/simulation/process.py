"""A process that can freeze and die. A dead one does nothing more, whatever its code still tries;
a frozen one goes on later, knowing nothing of the time that passed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from shared.runtime.circuit import Circuits

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Dead(BaseException):
    """The process died here; not an Exception, so that no handler takes it for a failure."""


class Process:
    """One worker process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.draining = False
        self.circuits = Circuits(lambda: asyncio.get_running_loop().time())
        self._frozen_until = 0.0
        self._tasks: dict[asyncio.Task[Any], None] = {}

    @property
    def takes_work(self) -> bool:
        return self.alive and not self.draining

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    async def turn(self) -> None:
        """Every effect on the world goes through here."""
        loop = asyncio.get_running_loop()
        while self.alive and loop.time() < self._frozen_until:
            await asyncio.sleep(self._frozen_until - loop.time())
        if not self.alive:
            raise Dead

    def freeze(self, seconds: float) -> None:
        self._frozen_until = asyncio.get_running_loop().time() + seconds

    def die(self) -> None:
        self.alive = False
        self._cancel()

    def drain(self) -> None:
        """Told to stop, and out of grace: what is in hand is to be handed back."""
        self.draining = True
        self._cancel()

    def begin[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def _cancel(self) -> None:
        here = asyncio.current_task()
        for task in tuple(self._tasks):
            if task is not here:
                task.cancel()
