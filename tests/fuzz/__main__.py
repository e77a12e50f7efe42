"""`python -m tests.fuzz`: a whole plant with simulated providers, and schemathesis against it.

Real stages work on what it hands in, so its requests meet posts in every state. Exits as
schemathesis does: 0 when it found nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from shared import logs
from shared.cli.narrator import Narrator
from shared.local.layout import Layout
from shared.local.plant import Plan, running_plant
from tests.fuzz.tool import Run, fuzz

SMALL_PICTURES = ("--picture-side", "256")
CASES = 20


def main() -> None:
    asked = _arguments().parse_args()
    logs.configure("fuzz", "console", level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="galley-fuzz-") as folder:
        code = asyncio.run(_found(Path(folder), Run(cases=asked.cases, seed=asked.seed)))
    sys.exit(code)


async def _found(folder: Path, run: Run) -> int:
    plan = Plan(data=folder / "data", simulator=SMALL_PICTURES, sync="1s")
    async with running_plant(plan, Narrator(Console(stderr=True)), lambda _: None) as plant:
        key = Layout(plan.data).first_key()
        code, _ = await fuzz(plant.address.gateway, key, folder, run, sys.stdout.fileno())
    return code


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=CASES, help="per route and phase")
    parser.add_argument("--seed", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
