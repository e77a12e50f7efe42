"""Named places at which a process can be made to die or to stand still, each exactly there.

Off unless the environment arms one (GALLEY_FAILPOINT, read by `run_process`); passing a place that
is off costs one look at an empty table. Which places there are stands in `PLACES` alone.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLACES: Final[Mapping[str, str]] = {
    "run.fetched": "a request was handed to this worker, and nothing is read",
    "run.read": "the post's history and the run's calls are read",
    "run.started": "the delivery is journalled",
    "call.unclaimed": "a call is about to be claimed",
    "call.claimed": "the claim is stored",
    "call.unsent": "the request is about to be sent",
    "call.answered": "the provider has answered, and nothing is written down",
    "call.pictured": "the raw picture is in the media store, and no fact names it",
    "call.settled": "the answer is written down, and nobody has used it",
    "call.abandoned": "an attempt of somebody who died is given up by name",
    "run.unfinished": "the outcome is decided, and not stored",
    "run.finished": "the outcome is stored, and the request not acknowledged",
    "run.acked": "the request is acknowledged",
    "append.handed": "a batch is with the server but for the message that commits it",
    "append.stored": "the server has answered, and whoever appends does not know",
    "projector.read": "a batch was read from the log",
    "projector.unwritten": "its rows are written, and the transaction is open",
    "projector.written": "its rows and the position are committed",
    "gateway.decided": "a command was decided, and nothing is stored",
    "gateway.stored": "a command is stored, and not answered",
    "gateway.streaming": "a client was sent a part of its stream",
    "duty.due": "something is due, and its command not issued",
    "duty.done": "the command of what was due is carried out",
    "eraser.found": "the deleted posts are known, and nothing is erased",
    "eraser.released": "a deleted post's slug is free again",
    "eraser.erased": "what a deleted post has said is purged from the log",
    "eraser.removed": "a deleted post's pictures are removed",
    "eraser.settled": "the rows say that a deleted post is erased",
}
"""Every place by name, and what is true for the process that passes it."""

_ACTIONS: Final = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_ENTRY = re.compile(r"([a-z.]+)(?:@([1-9][0-9]{0,5}))?:(kill|stop)")


@dataclass(slots=True, kw_only=True)
class _Trap:
    """What happens at one place, at its `nth` passing or at each. With a marker only while there is
    none, and whoever makes it is the one it happens to; passings are counted from when it was
    away."""

    name: str
    nth: int | None
    action: str
    marker: Path | None
    passed: int = 0

    def spring(self) -> None:
        if self.marker is not None and self.marker.exists():
            self.passed = 0
            return
        self.passed += 1
        if self.nth in (None, self.passed) and (self.marker is None or _made(self.marker)):
            print(f"galley: failpoint {self.name}: {self.action}", file=sys.stderr, flush=True)  # noqa: T201  the last words of this process
            os.kill(os.getpid(), _ACTIONS[self.action])


_armed: dict[str, list[_Trap]] = {}


def reached(name: str) -> None:
    """The process passes a place of `PLACES`."""
    if _armed:
        for trap in _armed.get(name, ()):
            trap.spring()


def armed(name: str) -> bool:
    """Whether something may happen at this place, so that what makes it true must be made sure."""
    return name in _armed


def arm(told: str, marks: Path | None, process: str) -> None:
    """Arm what `told` lists, comma-separated: `<place>[@nth]:<kill|stop>`. Empty: nothing.

    With `marks`, a folder, each entry strikes once for all processes of one name: the first makes
    the marker `<process>.<place>[@nth]` there. Raises `Misconfigured` for what is no place.
    """
    traps: dict[str, list[_Trap]] = {}
    for entry in filter(None, told.split(",")):
        trap = _trap(entry.strip(), marks, process)
        traps.setdefault(trap.name, []).append(trap)
    _armed.clear()
    _armed.update(traps)


def _trap(entry: str, marks: Path | None, process: str) -> _Trap:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise Misconfigured("GALLEY_FAILPOINT is wrong: set it to <name>[@nth]:<kill or stop>")
    name, nth, action = found.groups()
    if name not in PLACES:
        raise Misconfigured(f"GALLEY_FAILPOINT names no failpoint; there are {', '.join(PLACES)}")
    marker = marks / f"{process}.{entry.partition(':')[0]}" if marks else None
    return _Trap(name=name, nth=int(nth) if nth else None, action=action, marker=marker)


def _made(marker: Path) -> bool:
    """True for the one that makes the file."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    return True
