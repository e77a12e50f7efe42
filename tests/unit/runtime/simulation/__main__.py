"""Many lives on every core, and what happened in them: `python -m tests.unit.runtime.simulation`.

Ends with 1 when a law was broken; each such life is told with the command that shows it again.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import structlog
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from tests.unit.runtime.simulation.test_simulation import told

if TYPE_CHECKING:
    from tests.unit.runtime.simulation.world import World

PORTION = 20
SHOWN = 10
TROUBLES = ("dies", "freezes", "is drained", "unconfirmed", "Conflict", "is lent", "sends")


class Life(NamedTuple):
    """What one seed came to."""

    seed: int
    happened: Counter[str]
    laws: tuple[str, ...]


def main() -> int:
    """Live them; the exit code."""
    asked = _arguments()
    began, happened, broken = time.monotonic(), Counter[str](), list[Life]()
    seeds = range(asked.first, asked.first + asked.lives)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with multiprocessing.Pool(asked.processes, _quiet) as pool, Progress(*columns) as progress:
        lives = pool.imap_unordered(lived, seeds, PORTION)
        for life in progress.track(lives, total=len(seeds), description="lives"):
            happened += life.happened
            if life.laws:
                broken.append(life)
    _tell(Console(), len(seeds), time.monotonic() - began, happened, broken)
    return 1 if broken else 0


def lived(seed: int) -> Life:
    """One life, counted."""
    world, laws = told(seed)
    return Life(seed, _counted(world), tuple(laws))


def _counted(world: World) -> Counter[str]:
    lines = world.schedule
    found = Counter(trouble for line in lines for trouble in TROUBLES if trouble in line)
    found["facts"] = len(world.recorded())
    found["commands"] = len(world.people.asked)
    found["answers of the gateway"] = sum(len(asked.answers) for asked in world.people.asked)
    return found


def _tell(
    console: Console, lives: int, took: float, happened: Counter[str], broken: list[Life]
) -> None:
    table = Table("what", "how often", title=f"{lives:,} lives in {took:,.0f} s")
    for what, times in happened.most_common():
        table.add_row(what, f"{times:,}")
    table.add_row("lives a minute", f"{60 * lives / took:,.0f}")
    table.add_row("lives that broke a law", f"{len(broken):,}")
    console.print(table)
    for life in sorted(broken)[:SHOWN]:
        console.print(f"seed {life.seed}: {life.laws[0]}", markup=False)
        console.print(f"  again: make simulate LIVES=1 FIRST={life.seed}", markup=False)


def _quiet() -> None:
    """Thousands of workers fail here on purpose; nobody wants to read about each of them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.unit.runtime.simulation")
    parser.add_argument("--lives", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=None, help="one per core unless said")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
