"""A child process that dies with this one, whose every line of output reaches its log file.

Nothing here knows what the processes are: they come as an argument list and an environment.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shared.local.ownership import end_leftover, remember
from shared.local.relay import Relay, open_relay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

TETHER = Path(__file__).with_name("tether.py")
TAIL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user a command runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. `argv[0]` is a path; `env` is the whole environment of the child (but for
    LC_CTYPE, where it names no locale).

    `prefix` puts `name[pid] | ` before each line of the log, which several commands may then share.
    `stop` asks it to end; `death` is what the kernel sends it when we die. `pid_file` lets a later
    run find it, should it survive all the same.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    cwd: Path | None = None
    account: Account | None = None
    pid_file: Path | None = None
    prefix: bool = False
    stop: signal.Signals = signal.SIGTERM
    death: signal.Signals = signal.SIGKILL


class Process(Protocol):
    """What was started, as asyncio shows it."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def send_signal(self, number: int, /) -> None: ...


type Launch = Callable[[Command, int], Awaitable[Process]]
"""Starts a command whose output goes to this descriptor."""


class Child:
    """A running command."""

    def __init__(
        self,
        command: Command,
        process: Process,
        *,
        log_began: int,
        relay: Relay | None = None,
    ) -> None:
        self.command = command
        self.pid = process.pid
        self._process = process
        self._log_began = log_began
        self._relay = relay

    @property
    def running(self) -> bool:
        """Whether its end has not been seen yet."""
        return self._process.returncode is None

    async def wait(self) -> int:
        """Its exit code (negative: the signal that killed it), once its output is in the log."""
        code = await self._process.wait()
        if self._relay is not None:
            await self._relay.finish()
        return code

    def ask_to_stop(self) -> None:
        """Send the command's own stop signal; nothing if it is gone."""
        self._send(self.command.stop)

    def kill(self) -> None:
        """End it now; nothing if it is gone."""
        self._send(signal.SIGKILL)

    async def stop(self, grace: float) -> int:
        """Ask, and after `grace` seconds insist. Cancelled: insist at once."""
        self.ask_to_stop()
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except TimeoutError:
            self.kill()
        except asyncio.CancelledError:
            self.kill()
            raise
        return await self.wait()

    def last_words(self) -> str:
        """Its last line in the log that is not empty, for people who ask why it ended."""
        with self.command.log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_began, end - TAIL_BYTES))
            told = log.read(TAIL_BYTES).decode(errors="replace").splitlines()
        label = f"{label_of(self.command, self.pid)} | " if self.command.prefix else ""
        mine = [line.removeprefix(label).strip() for line in told if line.startswith(label)]
        return next(filter(None, reversed(mine)), "")

    def _send(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)


async def execute(
    command: Command, output: int, stdin: int = asyncio.subprocess.DEVNULL
) -> asyncio.subprocess.Process:
    """In a session of its own: Ctrl-C reaches us alone, and we end our children in order."""
    return await asyncio.create_subprocess_exec(
        *_tethered(command),
        stdin=stdin,
        stdout=output,
        stderr=output,
        env=dict(command.env),
        cwd=command.cwd,
        start_new_session=True,
    )


async def spawn(command: Command, launch: Launch = execute) -> Child:
    """Start `command`; it ends when this process does, however this process ends (Linux)."""
    if command.pid_file is not None:
        await asyncio.to_thread(end_leftover, command.pid_file)
    command.log.parent.mkdir(parents=True, exist_ok=True)
    child = await (_spawn_relayed if command.prefix else _spawn_direct)(command, launch)
    if command.pid_file is not None:
        remember(command.pid_file, child.pid)
    return child


async def _spawn_direct(command: Command, launch: Launch) -> Child:
    log, began = _open_log(command.log)
    try:
        return Child(command, await launch(command, log), log_began=began)
    finally:
        os.close(log)


async def _spawn_relayed(command: Command, launch: Launch) -> Child:
    log, began = _open_log(command.log)
    relay, output = await open_relay()
    try:
        process = await launch(command, output)
    except BaseException:
        os.close(log)
        await relay.finish()
        raise
    finally:
        os.close(output)
    relay.begin(label_of(command, process.pid), log)
    return Child(command, process, log_began=began, relay=relay)


def label_of(command: Command, pid: int) -> str:
    """How a process is named in a log it shares."""
    return f"{command.name}[{pid}]"


def _open_log(path: Path) -> tuple[int, int]:
    """A descriptor to append with, and where the log ended until now."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return log, os.lseek(log, 0, os.SEEK_END)


def _tethered(command: Command) -> tuple[str, ...]:
    account = command.account
    user = "-" if account is None else f"{account.uid}:{account.gid}"
    tether = (sys.executable, "-I", "-S", str(TETHER))
    return (*tether, str(os.getpid()), str(int(command.death)), user, *command.argv)
