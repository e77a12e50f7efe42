"""What is paid for is written down, however long the log is away: again, with growing pauses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from shared.errors import LogUnavailable, Unconfirmed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger()

TRIES = 120
"""About ten minutes; a log that is away for longer has lost this worker, which then gives up."""
LONGEST_PAUSE = 5.0


async def patiently[T](doing: Callable[[], Awaitable[T]], what: str) -> T:
    """Do it until it is done; it must be safe to do twice.

    Passes over `LogUnavailable` and `Unconfirmed`; every other error is raised at once, and
    `LogUnavailable` when patience is at its end.
    """
    for tries in range(TRIES):
        try:
            return await doing()
        except (LogUnavailable, Unconfirmed) as error:
            log.warning("log.waited_for", what=what, why=str(error))
            await asyncio.sleep(pause(tries))
    raise LogUnavailable(f"{what} could not be written in {TRIES} tries")


def pause(tries: int) -> float:
    """Seconds to wait after the `tries`-th failure, counted from 0."""
    return float(min(LONGEST_PAUSE, 0.05 * 2.0 ** min(tries, 10)))
