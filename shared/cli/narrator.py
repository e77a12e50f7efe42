"""Says what happens to a plant's processes: crashes at once, and while draining who is slow."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.cli.terminal import say
from shared.local.starting import plainly

if TYPE_CHECKING:
    from rich.console import Console

    from shared.local.supervisor import Notice

PATIENCE = 0.8
"""Seconds somebody may take to end before we say that we wait for them."""


class Narrator:
    """To be given to a plant as its `notify`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._draining = False
        self._timer: asyncio.TimerHandle | None = None
        self._said: frozenset[str] = frozenset()

    def drain(self) -> None:
        """From now on, endings are asked for."""
        self._draining = True
        say(self._console, "Draining: what runs is finished or handed back (again: stop now).")

    def done(self) -> None:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()

    def __call__(self, notice: Notice) -> None:
        match notice.kind:
            case "crashed":
                self._crashed(notice)
            case "given up":
                self._given_up(notice)
            case "stopping" if self._draining:
                self._waits(frozenset(notice.waiting_for))
            case "killed" if self._draining:
                say(self._console, f"  {notice.name} was killed", "yellow")
            case _:
                return

    def _crashed(self, notice: Notice) -> None:
        again = f"started again in {notice.again_in:.1f} s"
        say(self._console, f"{_ended(notice)}; {again}", "red")

    def _given_up(self, notice: Notice) -> None:
        say(self._console, f"{_ended(notice)}; services start without it, slower", "yellow")

    def _waits(self, names: frozenset[str]) -> None:
        self.done()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(PATIENCE, self._tell, names)

    def _tell(self, names: frozenset[str]) -> None:
        if names != self._said:
            self._said = names
            say(self._console, f"  waiting for {', '.join(sorted(names))}")


def _ended(notice: Notice) -> str:
    how = f"was killed by signal {-notice.code}" if notice.code < 0 else f"code {notice.code}"
    last = f": {plainly(notice.told)}" if notice.told else ""
    return f"{notice.name} ended by itself ({how}{last})"
