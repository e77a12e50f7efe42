"""Storms over a whole plant: `make chaos SEED=1 SECONDS=90 SEEDS=20`.

Ends with 1 when a law was broken; each such storm is told with the command that raises it again.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from shared import logs
from tests.chaos.storm.storm import Order, weathered

if TYPE_CHECKING:
    from tests.chaos.storm.storm import Report

SHOWN = 20


def main() -> int:
    """Raise them one after the other; the exit code."""
    asked, console = _arguments(), Console(stderr=True)
    logs.configure("chaos", "console", level=logging.CRITICAL)
    broken, faults = [], Counter[str]()
    for seed in range(asked.seed, asked.seed + asked.seeds):
        report = _one(Order(seed=seed, seconds=asked.seconds, posts=asked.posts), console, asked)
        faults += report.faults
        if report.laws:
            broken.append(seed)
            _repeat(console, seed, asked, report)
    _tell(console, asked.seeds, faults, broken)
    return 1 if broken else 0


def _one(order: Order, console: Console, asked: argparse.Namespace) -> Report:
    with tempfile.TemporaryDirectory(prefix="galley-chaos-", delete=not asked.keep) as folder:
        data = Path(folder) / "data"
        console.print(f"seed {order.seed}: {data}", highlight=False)
        with console.status("starting the plant") as status:
            report = asyncio.run(weathered(order, data, lambda step: status.update(step)))
    figures = ", ".join(f"{value:,.0f} {name}" for name, value in report.figures.items())
    verdict = f"{len(report.laws)} laws broken" if report.laws else "every law holds"
    console.print(f"  {report.faults.total()} faults, {figures}: {verdict}", highlight=False)
    return report


def _repeat(console: Console, seed: int, asked: argparse.Namespace, report: Report) -> None:
    for law in report.laws[:SHOWN]:
        console.print(f"  {law}", markup=False, highlight=False, soft_wrap=True)
    again = f"make chaos SEED={seed} SECONDS={asked.seconds:g} POSTS={asked.posts} SEEDS=1"
    console.print(f"  again: {again}", highlight=False)


def _tell(console: Console, storms: int, faults: Counter[str], broken: list[int]) -> None:
    table = Table("fault", "how often", title=f"{storms} storms, {faults.total():,} faults")
    for fault, times in sorted(faults.items()):
        table.add_row(fault, f"{times:,}")
    console.print(table)
    told = f"laws were broken by the seeds {broken}" if broken else "no law was broken"
    console.print(told, highlight=False)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many storms")
    parser.add_argument("--seconds", type=float, default=90, help="how long each one rages")
    parser.add_argument("--posts", type=int, default=20)
    parser.add_argument("--keep", action="store_true", help="leave the data directories")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
