"""The rows are those of this log, or the gateway ends in words: it never mixes two logs.

A log that was restored from a backup is another one. Rows made before may tell of what it does not
hold, and would be right again, by chance, once it has grown past them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from services.gateway.rows import ReadModelAway
from shared.errors import LogUnavailable

if TYPE_CHECKING:
    from services.gateway.rows import ReadModel
    from shared.eventlog import EventLog

EVERY_S: Final = 5.0
CURE: Final = (
    "refusing to mix them: give the projector an empty database, and it makes the rows of this log"
)


async def foreign(events: EventLog, rows: ReadModel) -> str:
    """Why the rows are not of this log; empty when they are, or when one of the two is away."""
    try:
        standing = await rows.standing()
        state = await events.state()
    except (ReadModelAway, LogUnavailable):
        return ""
    if standing is None:
        return ""
    seq, identity = standing
    if identity != state.identity:
        return f"the rows were made from log {identity}, this is {state.identity}; {CURE}"
    if seq > state.last:
        return f"the rows are at {seq}, but this log ends at {state.last}; {CURE}"
    return ""


async def until(stopping: asyncio.Event, events: EventLog, rows: ReadModel) -> str:
    """Wait for the stop, or for rows of another log: then why."""
    while not stopping.is_set():
        if why := await foreign(events, rows):
            return why
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY_S):
                await stopping.wait()
    return ""
