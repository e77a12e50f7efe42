"""A process says that it lives, every two seconds, as long as its loop turns and the context is
open."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from shared.heartbeats import EVERY_S, Beat, release

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from shared.heartbeats import Beats
    from shared.runtime.health import Check


def instance_name() -> str:
    """Names this process among the replicas of its service."""
    return f"{socket.gethostname()}-{os.getpid()}"


@asynccontextmanager
async def beating(
    beats: Beats,
    service: str,
    started_at: datetime,
    *,
    active: Callable[[], int] = lambda: 0,
    slots: Callable[[], int] = lambda: 0,
    well: Check = lambda: None,
    every_s: float = EVERY_S,
) -> AsyncIterator[None]:
    """Beat while the context is open; silent while `well` gives a reason why not."""
    instance, version = instance_name(), release()

    async def turn() -> None:
        while True:
            if well() is None:
                beat = Beat(
                    service=service,
                    instance=instance,
                    active=active(),
                    slots=slots(),
                    started_at=started_at,
                    version=version,
                )
                await beats.publish(beat)
            await asyncio.sleep(every_s)

    task = asyncio.create_task(turn(), name="beats")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
