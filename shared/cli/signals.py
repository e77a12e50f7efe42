"""Ctrl-C and SIGTERM: the first asks for an end in order, the second ends it now."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """What the person wants. Until `up` is called, the first signal cancels the task that starts
    the plant, and so does every further one."""

    def __init__(self, starting: asyncio.Task[object]) -> None:
        self.stopping = asyncio.Event()
        self.twice = False
        self._starting = starting
        self._kill: Callable[[], None] | None = None

    def up(self, kill: Callable[[], None]) -> None:
        """From now on the first signal sets `stopping`, and the second calls `kill`."""
        self._kill = kill

    def arrived(self) -> None:
        if self._kill is None:
            self._starting.cancel()
            return
        if self.stopping.is_set():
            self.twice = True
            self._kill()
        self.stopping.set()


@contextmanager
def signals() -> Iterator[Signals]:
    """The present task's signals for the length of the block."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("signals belong to a task")
    loop, told = asyncio.get_running_loop(), Signals(task)
    for each in SIGNALS:
        loop.add_signal_handler(each, told.arrived)
    try:
        yield told
    finally:
        for each in SIGNALS:
            loop.remove_signal_handler(each)
