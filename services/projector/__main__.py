"""The projector's process: `python -m services.projector`, or with `--migrate` only its tables."""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from services.projector.eraser import Eraser, erasing, rows
from services.projector.migrations import migrate
from services.projector.runner import Projector
from services.projector.store import open_store
from shared import logs
from shared.jetstream import (
    ERASER,
    PROJECTOR,
    connect,
    open_beats,
    open_erasure,
    open_log,
    open_media,
)
from shared.runtime.beats import beating
from shared.runtime.health import App, Pulse, health, serve
from shared.runtime.process import run_process
from shared.settings import Erasing, Health, Nats, Postgres, Process, load, secrets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.jetstream import Connection

log = structlog.get_logger()

STUCK_AFTER_S = 15.0


async def prepare(_stopping: asyncio.Event) -> None:
    """Bring the tables up to date, and end."""
    postgres, process = load(Postgres), load(Process)
    logs.configure("projector", process.log_format, secrets=secrets(postgres))
    await migrate(postgres.dsn.get_secret_value())
    log.info("projector.migrated")


async def project(stopping: asyncio.Event) -> None:
    """Project the log until told to stop."""
    nats, postgres, process = load(Nats), load(Postgres), load(Process)
    logs.configure("projector", process.log_format, secrets=secrets(nats, postgres, load(Erasing)))
    password, dsn = nats.password.get_secret_value(), postgres.dsn.get_secret_value()
    async with connect(nats.url, user=nats.user, password=password, name="projector") as connection:
        pulse = Pulse(time.monotonic)
        events = open_log(connection, PROJECTOR)
        projector = Projector(events, partial(open_store, dsn), pulse)
        async with (
            beating(
                open_beats(connection),
                PROJECTOR,
                datetime.now(UTC),
                well=lambda: pulse.check(STUCK_AFTER_S),
            ),
            _erasing(nats, dsn, projector),
        ):
            await _serve(projector, _app(projector, connection, pulse), stopping)


@asynccontextmanager
async def _erasing(nats: Nats, dsn: str, projector: Projector) -> AsyncIterator[None]:
    """Deleted posts are erased by the process that projects, as a user that may do nothing else."""
    password = load(Erasing).password
    if password is None:
        log.warning("eraser.off", why="GALLEY_ERASER_PASSWORD is not set")
        yield
        return
    async with (
        connect(nats.url, ERASER, password.get_secret_value(), "eraser") as connection,
        rows(dsn) as pool,
        erasing(
            Eraser(
                events=open_log(connection, ERASER),
                erasure=open_erasure(connection),
                media=open_media(connection),
                pool=pool,
                active=lambda: projector.role == "projecting",
                clock=partial(datetime.now, UTC),
            )
        ),
    ):
        yield


async def _serve(projector: Projector, app: App, stopping: asyncio.Event) -> None:
    where = load(Health)
    async with serve(app, where.host, where.port) as served:
        log.info("service.ready", health=served.url, simulated=list(load(Process).simulated))
        drain = asyncio.create_task(_drain(projector, stopping))
        try:
            await projector.run()
        finally:
            drain.cancel()
    log.info("service.drained", position=projector.position)


async def _drain(projector: Projector, stopping: asyncio.Event) -> None:
    await stopping.wait()
    projector.stop()


def _app(projector: Projector, connection: Connection, pulse: Pulse) -> App:
    return health(
        live={"loop": lambda: pulse.check(STUCK_AFTER_S)},
        ready={
            "nats": connection.problem,
            "projection": projector.trouble,
            "lag": projector.behind,
        },
        told={"role": lambda: projector.role, "position": lambda: projector.position},
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="galley-projector", description=__doc__)
    parser.add_argument("--migrate", action="store_true", help="only bring the tables up to date")
    run_process(prepare if parser.parse_args().migrate else project)


if __name__ == "__main__":
    main()
