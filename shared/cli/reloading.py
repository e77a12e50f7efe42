"""Restarts what a change of the code concerns, and nothing else, for as long as one watches."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

from shared.cli.terminal import say
from shared.local.concerned import concerned, watched
from shared.local.starting import NotStarted

if TYPE_CHECKING:
    from rich.console import Console

    from shared.local.plant import Plant

STEP_MS = 50
DEBOUNCE_MS = 400
"""Editors write a file in several steps: a change is taken up when nothing more happens for a step,
at the latest after the debounce."""
FIRST_LOOK_MS = 200


async def reloading(console: Console, plant: Plant, stopping: asyncio.Event) -> None:
    """Until `stopping`. Says when it has begun: what changes from then on is noticed."""
    concerned((), plant.reloadable)  # reads the code now, so that the first change need not wait
    begun = False
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(asyncio.sleep(0))
        async for changes in awatch(
            *watched(),
            stop_event=stopping,
            step=STEP_MS,
            debounce=DEBOUNCE_MS,
            rust_timeout=FIRST_LOOK_MS,
            yield_on_timeout=True,
        ):
            if not begun:
                begun = True
                say(console, "Watching the code: what a change concerns is restarted.")
            paths = sorted({Path(path) for _, path in changes})
            if names := sorted(concerned(paths, plant.reloadable)):
                telling.cancel()
                telling = group.create_task(_restart(console, plant, paths, names))
        telling.cancel()


async def _restart(console: Console, plant: Plant, paths: list[Path], names: list[str]) -> None:
    """Restart them and say when they can work again; a change that comes first ends the wait."""
    begun = time.monotonic()
    say(console, f"{_named(paths)} changed: restarting {', '.join(names)}")
    await asyncio.gather(*(asyncio.shield(plant.restart(name)) for name in names))
    try:
        await plant.ready(names)
    except NotStarted as error:
        say(console, str(error), "red")
    else:
        took = time.monotonic() - begun
        say(console, f"{', '.join(names)} ready again after {took:.1f} s")


def _named(paths: list[Path]) -> str:
    rest = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0].parent.name}/{paths[0].name}{rest}"
