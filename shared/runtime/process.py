"""How every service process begins and ends: one loop, signals that drain, exit codes that mean
something.

Exit 0: drained on SIGTERM or SIGINT. Exit 2: a setting is missing or wrong, said in one line.
Anything else is a crash, and whoever supervises the process should start it again.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import structlog

from shared import failpoints, settings
from shared.errors import ForeignLog, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = structlog.get_logger()

WRONG_SETTING = 2


def run_process(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` until it returns; the event it is given is set when the process is told to
    stop."""
    try:
        _arm(settings.load(settings.Failpoints))
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_stopped(main))
    except (Misconfigured, ForeignLog) as error:
        print(f"galley: {error}", file=sys.stderr)  # noqa: T201  there may be no log yet
        sys.exit(WRONG_SETTING)


async def _until_stopped(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopping.set)
    await main(stopping)
    log.info("process.ended")


def _arm(told: settings.Failpoints) -> None:
    failpoints.arm(told.failpoint, told.failpoint_mark, told.nats_user)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists: a third less CPU per message."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
