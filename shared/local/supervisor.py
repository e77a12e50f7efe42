"""Keeps children running until told to stop, and says everything it does.

A child that ends by itself is started again, after a pause that grows while it keeps failing.
Ending goes group by group, each group at once: asked first, killed after the grace, and nothing is
left running when the supervisor is left, in whatever way.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from shared.local.processes import Child, Command, Launch, execute, spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

type Kind = Literal["started", "crashed", "stopping", "stopped", "killed", "given up"]
type Notify = Callable[[Notice], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What happened to a child.

    `code` is its exit code (crashed, stopped, killed, given up), `again_in` the pause before the
    next start (crashed) and `told` its last line of output (crashed, given up), `waiting_for` who
    is still running (stopping).
    """

    kind: Kind
    name: str
    pid: int = 0
    code: int = 0
    again_in: float = 0.0
    told: str = ""
    waiting_for: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Pauses before a crashed child is started again: doubling, until it has run a good while."""

    first: float = 0.2
    longest: float = 10.0
    good_after: float = 30.0

    def pause(self, failures: int) -> float:
        """The pause after the `failures`-th failure in a row, counted from 1."""
        return float(min(self.longest, self.first * 2 ** min(failures - 1, 30)))


@dataclass(slots=True)
class _Kept:
    """One command and whatever process runs it now."""

    command: Command
    nudge: asyncio.Event = field(default_factory=asyncio.Event)
    child: Child | None = None
    task: asyncio.Task[None] | None = None
    ending: bool = False
    restarting: bool = False
    failures: int = 0


class Supervisor:
    """Use as `async with Supervisor(notify) as supervisor`."""

    def __init__(
        self,
        notify: Notify,
        *,
        backoff: Backoff | None = None,
        grace: float = 10.0,
        launch: Launch = execute,
    ) -> None:
        self._notify = notify
        self._launcher = launch
        self._backoff = backoff or Backoff()
        self._grace = grace
        self._kept: dict[str, _Kept] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.drain([[name] for name in reversed(self._kept)])
        finally:
            await self._reap()

    def pids(self) -> dict[str, int]:
        """Who runs now, under which pid."""
        return {name: kept.child.pid for name, kept in self._kept.items() if kept.child}

    async def start(self, command: Command) -> int:
        """Start and keep `command`; its pid. One name is one command."""
        if command.name in self._kept:
            message = f"{command.name} is started already"
            raise ValueError(message)
        kept = self._kept[command.name] = _Kept(command)
        try:
            child = await self._launch(kept)
        except BaseException:
            del self._kept[command.name]
            raise
        kept.task = asyncio.create_task(self._keep(kept, child))
        return child.pid

    async def restart(self, name: str) -> None:
        """End it, killed after the grace, and start it again at once. Returns at its end."""
        kept = self._kept[name]
        kept.restarting = True
        kept.nudge.set()
        if kept.child is not None:
            await kept.child.stop(self._grace)

    async def drain(self, groups: Iterable[Sequence[str]], *, grace: float | None = None) -> None:
        """End the groups one after the other, the members of a group at once.

        A name that is not kept is passed over, so that draining twice is the same as once.
        """
        patience = self._grace if grace is None else grace
        for group in groups:
            await self._end([name for name in group if name in self._kept], patience)

    def kill(self) -> None:
        """End everything now; a `drain` that waits sees it and returns."""
        for kept in self._kept.values():
            self._mark(kept)
            if kept.child is not None:
                kept.child.kill()

    async def _launch(self, kept: _Kept) -> Child:
        child = kept.child = await spawn(kept.command, self._launcher)
        self._notify(Notice(kind="started", name=kept.command.name, pid=child.pid))
        if kept.ending:
            child.kill()
        return child

    async def _keep(self, kept: _Kept, first: Child) -> None:
        child: Child | None = first
        while not kept.ending:
            if child is not None:
                await self._watch(kept, child)
            if not kept.ending:
                child = await self._again(kept)
        if child is not None and child.running:
            await self._watch(kept, child)

    async def _watch(self, kept: _Kept, child: Child) -> None:
        """Until it ends; then say how, and pause if it ended by itself."""
        began = asyncio.get_running_loop().time()
        code = await child.wait()
        kept.child = None
        if kept.ending or kept.restarting:
            self._say_ended(kept.command.name, child.pid, code)
            return
        lived = asyncio.get_running_loop().time() - began
        kept.failures = 1 if lived >= self._backoff.good_after else kept.failures + 1
        await self._pause(kept, child.pid, code, child.last_words())

    async def _again(self, kept: _Kept) -> Child | None:
        """A new process; a system that cannot start one now is asked again after a pause."""
        kept.restarting = False
        kept.nudge.clear()
        try:
            return await self._launch(kept)
        except OSError as error:
            kept.failures += 1
            await self._pause(kept, 0, 0, str(error))
            return None

    async def _pause(self, kept: _Kept, pid: int, code: int, told: str) -> None:
        pause = self._backoff.pause(kept.failures)
        name = kept.command.name
        self._notify(
            Notice(kind="crashed", name=name, pid=pid, code=code, again_in=pause, told=told)
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await kept.nudge.wait()

    def _say_ended(self, name: str, pid: int, code: int) -> None:
        kind: Kind = "killed" if code == -signal.SIGKILL else "stopped"
        self._notify(Notice(kind=kind, name=name, pid=pid, code=code))

    def _mark(self, kept: _Kept) -> None:
        kept.ending = True
        kept.nudge.set()

    async def _end(self, names: Sequence[str], patience: float) -> None:
        """Ask all, wait for all, kill who remains."""
        for name in names:
            kept = self._kept[name]
            self._mark(kept)
            if kept.child is not None:
                kept.child.ask_to_stop()
        for name in await self._outwait(names, patience):
            if (child := self._kept[name].child) is not None:
                child.kill()
        await asyncio.gather(*self._tasks(names).values())
        for name in names:
            self._kept.pop(name, None)

    async def _outwait(self, names: Sequence[str], patience: float) -> Sequence[str]:
        """Who is still running after `patience` seconds. Says whom it waits for."""
        tasks = self._tasks(names)
        deadline = asyncio.get_running_loop().time() + patience
        while waiting := tuple(name for name, task in tasks.items() if not task.done()):
            self._notify(Notice(kind="stopping", name=waiting[0], waiting_for=waiting))
            left = deadline - asyncio.get_running_loop().time()
            pending = [tasks[name] for name in waiting]
            done, _ = await asyncio.wait(
                pending, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return waiting
        return ()

    def _tasks(self, names: Iterable[str]) -> dict[str, asyncio.Task[None]]:
        kept = {name: self._kept[name].task for name in names if name in self._kept}
        return {name: task for name, task in kept.items() if task is not None}

    async def _reap(self) -> None:
        self.kill()
        await asyncio.gather(*self._tasks(list(self._kept)).values())
        self._kept.clear()
