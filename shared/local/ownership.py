"""One owner per data directory, and no process left over from the owner before.

The owner holds a lock that the kernel releases with its death. A server left over (where the kernel
cannot tie it to its owner) is known by its pid *and* its start time, so that a pid used again by
somebody else is never touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import psutil

from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAME_START_S = 1.0
GONE_WITHIN_S = 10.0
LOOK_EVERY_S = 0.01


@contextmanager
def owned(data_dir: Path) -> Iterator[None]:
    """Be the only owner of `data_dir` (made if it is not there, readable by its user only).

    Raises `Misconfigured` naming the process that owns it now.
    """
    with _opened(data_dir) as lock:
        _lock(lock.fileno(), data_dir)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _opened(data_dir: Path) -> TextIO:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return (data_dir / "owner.lock").open("a+")
    except OSError as error:
        message = f"{data_dir} cannot hold data: {error.strerror}"
        raise Misconfigured(message) from error


def _lock(descriptor: int, data_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = (data_dir / "owner.lock").read_text() or "unknown"
        message = (
            f"{data_dir} is in use by another Galley (process {owner}): "
            "stop that one, or choose another data directory"
        )
        raise Misconfigured(message) from None


def remember(pid_file: Path, pid: int) -> None:
    """Write down a process so that `end_leftover` knows it again."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return
    pid_file.write_text(json.dumps({"pid": pid, "started": started}))


def end_leftover(pid_file: Path) -> int | None:
    """Kill the process written down in `pid_file` if it still runs, and tell its pid."""
    leftover = _recorded(pid_file)
    if leftover is None:
        return None
    leftover.kill()
    deadline = time.monotonic() + GONE_WITHIN_S
    while _runs(leftover):
        if time.monotonic() > deadline:
            message = f"process {leftover.pid}, left over from an earlier run, does not end"
            raise TimeoutError(message)
        time.sleep(LOOK_EVERY_S)
    return leftover.pid


def _runs(process: psutil.Process) -> bool:
    """A zombie does not: where nobody collects the dead (a container's first process), it stays."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _recorded(pid_file: Path) -> psutil.Process | None:
    try:
        record = json.loads(pid_file.read_text())
        process = psutil.Process(record["pid"])
        started = process.create_time() - record["started"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
        return None
    return process if abs(started) < SAME_START_S and _runs(process) else None
