"""Restarts what a change of the code concerns, and nothing else, for as long as one watches."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

from shared.cli.terminal import say
from shared.local.concerned import concerned, watched

if TYPE_CHECKING:
    from rich.console import Console

    from shared.local.plant import Plant

STEP_MS = 50
DEBOUNCE_MS = 400
"""Editors write a file in several steps; a change is taken up when so long nothing happens, or at
the latest after the debounce."""


async def reloading(console: Console, plant: Plant, stopping: asyncio.Event) -> None:
    """Until `stopping`."""
    concerned((), plant.reloadable)  # reads the code now, so that the first change need not wait
    watching = awatch(*watched(), stop_event=stopping, step=STEP_MS, debounce=DEBOUNCE_MS)
    async for changes in watching:
        paths = sorted({Path(path) for _, path in changes})
        if names := sorted(concerned(paths, plant.reloadable)):
            say(console, f"{_named(paths)} changed: restarting {', '.join(names)}")
            await asyncio.gather(*(plant.restart(name) for name in names))


def _named(paths: list[Path]) -> str:
    rest = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0].parent.name}/{paths[0].name}{rest}"
