"""`python -m tests.bench`: measure a whole plant on this machine and print one table.

A target that is not met is said, and is no failure; a run that could not be measured is one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from shared import logs
from shared.errors import GalleyError
from tests.bench.course import Course, Results, run
from tests.bench.report import as_json, table

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 1
BROKEN = (GalleyError, OSError, httpx.HTTPError)
"""What can happen to a measurement; everything else is a defect of ours."""
WIDTH = 110
"""Columns the table needs, also where the terminal does not say how wide it is."""


class Steps:
    """Says what is being done, and remembers it for the case that it never ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.latest = "the start"

    def __call__(self, step: str) -> None:
        self.latest = step
        self._console.print(f"  {step}", markup=False, highlight=False)


def main() -> None:
    """Exit 0 with a table, 1 with a sentence."""
    asked = _arguments().parse_args()
    console, results = Console(), Results()
    console.width = max(console.width, WIDTH)
    logs.configure("bench", "console", level=logging.WARNING)
    steps = Steps(console)
    with tempfile.TemporaryDirectory(prefix="galley-bench-") as temporary:
        course = _course(asked, asked.data or Path(temporary), steps)
        problem = _measured(course, results, asked.limit, steps)
    if results.waves:
        console.print(table(results))
    if asked.json:
        asked.json.write_text(json.dumps(as_json(course, results), indent=2))
    if problem:
        console.print(f"bench: {problem}", style="red", markup=False)
        sys.exit(FAILED)


def _measured(course: Course, results: Results, limit: float, steps: Steps) -> str:
    """Fill in the results; why they are not whole, or nothing."""
    try:
        asyncio.run(_within(course, results, limit))
    except TimeoutError:
        return f"not done within {limit:g} s; it was at: {steps.latest}"
    except (asyncio.CancelledError, KeyboardInterrupt):
        return f"told to stop; it was at: {steps.latest}"
    except (*BROKEN, ExceptionGroup) as error:
        if not isinstance(first := _first(error), BROKEN):
            raise
        return f"{str(first) or type(first).__name__} (at: {steps.latest})"
    return ""


async def _within(course: Course, results: Results, limit: float) -> None:
    """In time, and told to stop (also by SIGTERM) only after everything started has ended."""
    if (task := asyncio.current_task()) is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(limit):
        await run(course, results)


def _first(error: Exception) -> Exception:
    """Of errors that came together, the first."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _course(asked: argparse.Namespace, data: Path, steps: Steps) -> Course:
    return Course(
        posts=asked.posts,
        large=asked.large,
        repeats=asked.repeats,
        single=asked.single,
        http=asked.http,
        concurrency=asked.concurrency,
        at_once=asked.at_once,
        data=data,
        say=steps,
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--posts", type=_from(1), default=300, help="pipelines at once")
    add("--large", type=_from(0), default=1000, help="the same, larger, where time allows")
    add("--repeats", type=_from(1), default=3, help="how many waves; the median counts")
    add("--single", type=_from(0), default=40, help="posts one after the other")
    add("--http", type=_from(0), default=30, help="posts with the SDKs over HTTP")
    add("--concurrency", type=_from(1), default=64, help="runs at once in each stage's process")
    add("--at-once", type=_from(1), default=64, help="HTTP requests at once while creating")
    add("--limit", type=float, default=300.0, help="seconds, after which it gives up")
    add("--json", type=Path, help="also write everything to this file")
    add("--data", type=Path, help="keep logs and rows in this directory")
    return parser


def _from(least: int) -> Callable[[str], int]:
    """A number not below `least`."""

    def number(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more")
        return value

    return number


if __name__ == "__main__":
    main()
