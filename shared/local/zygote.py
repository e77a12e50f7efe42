"""Becomes services: it has imported what they need of others, so that each starts in a moment
(Linux).

Run by `shared.local.forking`, with a socket to it as standard input. For each order that comes
it forks, and the new process runs the ordered module as `python -m` would. What is ours is imported
after the fork, so that each service reads our code as it stands then. There is no thread and no
event loop here. Services end when this process does, and it ends when the plant does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.local.process_title import show
from shared.local.tether import CANNOT_START, bind

LONGEST_ORDER = 262_144
OURS = ("services", "shared")


@dataclass(frozen=True, slots=True)
class Order:
    """What a new process is to be. `argv` is `python -P -m <module> <argument>...`."""

    name: str
    argv: list[str]
    env: dict[str, str]
    cwd: str
    death: int


class Zygote:
    """The side of the socket that forks."""

    def __init__(self, plant: socket.socket) -> None:
        self.pid = os.getpid()
        self._plant = plant
        self._children: dict[int, int] = {}
        self._poll = select.poll()
        self._poll.register(plant, select.POLLIN)

    def serve(self) -> Order | None:
        """Returns in each new process, with its order; and in this one when the plant is gone."""
        self._tell({"kind": "ready"})
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._children:
                    self._collect(descriptor)
                    continue
                data, outputs, _, _ = socket.recv_fds(
                    self._plant, LONGEST_ORDER, 1, socket.MSG_CMSG_CLOEXEC
                )
                if not data or self._forked(*outputs):
                    return Order(**json.loads(data)) if data else None

    def _forked(self, output: int) -> bool:
        """Whether this is the new process, which then writes to `output`."""
        try:
            pid = os.fork()
        except OSError as error:
            self._tell({"kind": "refused", "reason": str(error)})
            os.close(output)
            return False
        if pid == 0:
            self._leave(output)
            return True
        os.close(output)
        process = os.pidfd_open(pid)
        self._children[process] = pid
        self._poll.register(process, select.POLLIN)
        self._tell({"kind": "forked", "pid": pid}, process)
        return False

    def _leave(self, output: int) -> None:
        """The new process has nothing of what is open here."""
        for stream in (1, 2):
            os.dup2(output, stream)
        for descriptor in (output, self._plant.detach(), *self._children):
            os.close(descriptor)

    def _collect(self, process: int) -> None:
        pid = self._children.pop(process)
        self._poll.unregister(process)
        os.close(process)
        _, status = os.waitpid(pid, 0)
        self._tell({"kind": "ended", "pid": pid, "code": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: dict[str, Any], *descriptors: int) -> None:
        socket.send_fds(self._plant, [json.dumps(message).encode()], descriptors)


def main(packages: list[str]) -> None:
    """Import the packages, then fork for as long as the plant is there.

    Raises `OSError` at once if the kernel is too old for what we do later.
    """
    plant = _socket_of_standard_input()
    show(sys.orig_argv, os.environ, "galley-zygote")
    os.close(os.pidfd_open(os.getpid()))
    _preload(packages)
    zygote = Zygote(plant)
    try:
        order = zygote.serve()
    except ConnectionError:
        return
    if order is not None:
        _become(order, zygote.pid)


def _socket_of_standard_input() -> socket.socket:
    plant = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return plant


def _preload(packages: list[str]) -> None:
    """What is missing is no error: who needs it will say so. Raises `RuntimeError` if one of them
    has started a thread, which no forked process would have.

    Nothing of what is loaded is ever looked at for garbage: that would cost each process a copy.
    """
    gc.disable()
    for package in packages:
        with suppress(ModuleNotFoundError):
            importlib.import_module(package)
    gc.freeze()
    gc.enable()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("one of the packages starts a thread when it is imported")


def _become(order: Order, parent: int) -> None:
    """Run the order's module as a new interpreter would; it never returns to the zygote's work."""
    try:
        _settle(order, parent)
    except OSError as error:
        sys.stderr.write(f"zygote: {error}\n")
        sys.exit(CANNOT_START)
    _, _, _, module, *arguments = order.argv
    sys.argv = [module, *arguments]
    sys.orig_argv = order.argv
    for name in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[name]
    importlib.invalidate_caches()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _settle(order: Order, parent: int) -> None:
    os.setsid()
    bind(parent, order.death)
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.env)
    show(order.argv, order.env, f"galley-{order.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
