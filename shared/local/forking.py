"""Services are forked from a process that has imported their packages, and executed where that
cannot be: either way they run alike, and die with the plant.

A zygote that dies takes its services along, as the kernel binds them to it: each is told as the
crash it is, and the next to be started gets a new zygote. One that never becomes ready is given up.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections import deque
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shared.local.processes import Command, execute, spawn
from shared.local.supervisor import Notice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from shared.local.processes import Child, Process
    from shared.local.supervisor import Notify

PRELOADED = (
    "anthropic",
    "anyio._backends._asyncio",
    "asyncpg",
    "fastapi",
    "google.genai",
    "httpcore",
    "httpcore2",
    "httptools",
    "httpx",
    "httpx2",
    "markdown_it",
    "nats",
    "nh3",
    "PIL.Image",
    "pydantic_settings",
    "pyphen",
    "slugify",
    "structlog",
    "tenacity",
    "truststore",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""What the services import of others, and what these import once they are used."""
PYTHON = (sys.executable, "-P", "-m")
"""Without the present directory on the path: what lies there is none of our code."""
ANSWERS_WITHIN_S = 60.0
LONGEST_ANSWER = 4096
OURS = "GALLEY_"


class _GoneError(Exception):
    """The zygote has ended, or does not answer."""


class Forked:
    """A process the zygote has forked. It is signalled by descriptor: a pid may be another's."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int, /) -> None:
        """Nothing if it is gone."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def end(self, code: int) -> None:
        """It has ended."""
        os.close(self._descriptor)
        self._ended.set_result(code)

    def orphaned(self) -> None:
        """Nobody will tell its code: the kernel kills it with the zygote, and so do we."""
        self.send_signal(signal.SIGKILL)
        asyncio.get_running_loop().add_reader(self._descriptor, self._buried)

    def _buried(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        self.end(-signal.SIGKILL)


class _Zygote:
    """One zygote and the processes it has forked; answers come in the order of the questions."""

    def __init__(self, child: Child, line: socket.socket) -> None:
        self.child = child
        self.ready = False
        self.gone = False
        self._line = line
        self._asked: deque[asyncio.Future[Forked]] = deque()
        self._forked: dict[int, Forked] = {}
        asyncio.get_running_loop().add_reader(line, self._hear)

    async def fork(self, command: Command, output: int, patience: float) -> Forked:
        """Raises `_GoneError` when it cannot, and `OSError` when the system has no process left."""
        if self.gone:
            raise _GoneError
        answer: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._send(command, output)
        self._asked.append(answer)
        try:
            async with asyncio.timeout(patience):
                return await answer
        except TimeoutError:
            self.child.kill()
            raise _GoneError from None

    def part(self) -> None:
        """Nothing more comes from it."""
        if self.gone:
            return
        self.gone = True
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        for answer in self._asked:
            if not answer.done():
                answer.set_exception(_GoneError())
        for process in self._forked.values():
            process.orphaned()

    def _send(self, command: Command, output: int) -> None:
        order = {
            "name": command.name,
            "argv": command.argv,
            "env": dict(command.env),
            "cwd": str(command.cwd or Path.cwd()),
            "death": int(command.death),
        }
        try:
            socket.send_fds(self._line, [json.dumps(order).encode()], [output])
        except ConnectionError as error:
            raise _GoneError from error

    def _hear(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(
                self._line, LONGEST_ANSWER, 1, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            data, descriptors = b"", []
        if data:
            self._take(json.loads(data), descriptors)
        else:
            self.part()

    def _take(self, told: Mapping[str, object], descriptors: list[int]) -> None:
        match told:
            case {"kind": "ready"}:
                self.ready = True
            case {"kind": "forked", "pid": int(pid)}:
                self._born(Forked(pid, *descriptors))
            case {"kind": "ended", "pid": int(pid), "code": int(code)}:
                self._forked.pop(pid).end(code)
            case {"kind": "refused", "reason": str(reason)}:
                answer = self._asked.popleft()
                if not answer.done():
                    answer.set_exception(OSError(reason))
            case _:
                raise ValueError("a zygote of another version answers")

    def _born(self, process: Forked) -> None:
        """One that nobody waits for any more ends at once."""
        self._forked[process.pid] = process
        answer = self._asked.popleft()
        if answer.done():
            process.send_signal(signal.SIGKILL)
        else:
            answer.set_result(process)


@asynccontextmanager
async def forking(zygote: Command, notify: Notify) -> AsyncIterator[Forker]:
    """Launches commands; the zygote imports meanwhile. Leave it when they have ended."""
    forker = Forker(zygote, notify)
    try:
        await forker.zygote()
        yield forker
    finally:
        await forker.close()


class Forker:
    """Has a zygote when one is needed."""

    def __init__(self, zygote: Command, notify: Notify) -> None:
        self.patience = ANSWERS_WITHIN_S
        self._command = zygote
        self._notify = notify
        self._starting = asyncio.Lock()
        self._zygote: _Zygote | None = None
        self._watches: set[asyncio.Task[None]] = set()
        self._closing = False

    async def launch(self, command: Command, output: int) -> Process:
        """Fork a `python -P -m` command that may be, execute any other."""
        if _may_be_forked(command, self._command.env):
            with suppress(_GoneError):  # then it is executed
                zygote = await self.zygote()
                return await zygote.fork(command, output, self.patience)
        return await execute(command, output)

    async def close(self) -> None:
        """End the zygote."""
        self._closing = True
        if self._zygote is not None:
            self._zygote.child.kill()
        await asyncio.gather(*self._watches)

    async def zygote(self) -> _Zygote:
        """The zygote; a new one in place of one that worked and is gone."""
        async with self._starting:
            if self._zygote is None or (self._zygote.gone and self._zygote.ready):
                self._zygote = await self._begun()
                watch = asyncio.create_task(self._watch(self._zygote))
                self._watches.add(watch)
                watch.add_done_callback(self._watches.discard)
            return self._zygote

    async def _begun(self) -> _Zygote:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            try:
                child = await spawn(self._command, partial(execute, stdin=theirs.fileno()))
            except BaseException:
                ours.close()
                raise
        return _Zygote(child, ours)

    async def _watch(self, zygote: _Zygote) -> None:
        code = await zygote.child.wait()
        zygote.part()
        if self._closing:
            return
        self._notify(
            Notice(
                kind="crashed" if zygote.ready else "given up",
                name=self._command.name,
                pid=zygote.child.pid,
                code=code,
                told=zygote.child.last_words(),
            )
        )


def zygote_command(
    env: Mapping[str, str], log: Path, packages: tuple[str, ...] = PRELOADED
) -> Command:
    """What runs the zygote. `env` is what all the commands it forks have in common."""
    argv = (*PYTHON, "shared.local.zygote", *packages)
    return Command(name="zygote", argv=argv, env=env, log=log)


def _may_be_forked(command: Command, common: Mapping[str, str]) -> bool:
    """Only variables that nobody but our own code reads may be the command's own: the interpreter
    and the packages have read theirs already."""
    own = command.env.keys() - common.keys()
    return (
        sys.platform == "linux"
        and command.account is None
        and command.argv[:3] == PYTHON
        and common.items() <= command.env.items()
        and all(name.startswith(OURS) for name in own)
    )
