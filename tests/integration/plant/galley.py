"""The `galley` command as a person runs it: a process of its own, with what it prints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import psutil

from shared.cli.app import outcome
from shared.local.layout import Address, Layout

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    import pytest

ROOT = Path(__file__).parents[3]
_HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
MAIN = ("-P", "-c", f"{_HEARS_CTRL_C}; from shared.cli import main; main()")
"""Whoever runs the tests in the background ignores Ctrl-C, and a command would inherit that."""
GONE_WITHIN_S = 20
LOOK_EVERY_S = 0.02
HIDDEN = ("GALLEY_", "ANTHROPIC_", "GEMINI_", "PERPLEXITY_")


def environment(more: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """Ours without anybody's keys and settings; the code comes from `root`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
    return {**ours, "PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1", "COLUMNS": "80", **more}


def galley(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(
        (sys.executable, *MAIN, *arguments),
        cwd=cwd,
        env=environment(more),
        capture_output=True,
        text=True,
        check=False,
    )


class Running:
    """A command that stays; killed at the end of the block with whatever it started."""

    def __init__(self, *arguments: str, cwd: Path, root: Path = ROOT, **more: str) -> None:
        self.cwd = cwd
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            (sys.executable, *MAIN, *arguments),
            cwd=cwd,
            env=environment(more, root),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return "".join(self.lines)

    @property
    def address(self) -> Address:
        return Address.read(Layout(self.cwd / "galley-data"))

    def until(self, words: str) -> str:
        """The next line that holds `words`."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line)
            if words in line:
                return line
        raise AssertionError(f"{words!r} was never said, but: {self.said}")

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Wait for it; its exit code."""
        assert self._process.stdout is not None
        self.lines += self._process.stdout.readlines()
        return self._process.wait()

    def family(self) -> list[psutil.Process]:
        """Every process it has started, and those they have."""
        return psutil.Process(self.pid).children(recursive=True)


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Desk:
    """A plant that is up, and commands given beside it: in this process, which starts at once."""

    plant: Running
    capsys: pytest.CaptureFixture[str]

    @property
    def cwd(self) -> Path:
        return self.plant.cwd

    def run(self, *arguments: str) -> Said:
        return Said(outcome(arguments), *self.capsys.readouterr())


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them end."""
    _, alive = psutil.wait_procs(processes, timeout=GONE_WITHIN_S)
    return not [each for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def settled(running: Running, before: Mapping[str, int], names: set[str]) -> dict[str, int]:
    """The plant's processes once each of `names` runs as another one than before."""
    while True:
        pids = running.address.pids
        if all(pids.get(name, before[name]) != before[name] for name in names):
            return pids
        time.sleep(LOOK_EVERY_S)
