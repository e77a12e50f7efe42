"""The projector's process: `python -m services.projector`, or with `--migrate` only its tables."""

from __future__ import annotations

import argparse
import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

import structlog

from services.projector.migrations import migrate
from services.projector.runner import Projector
from services.projector.store import open_store
from shared import logs
from shared.jetstream import PROJECTOR, connect, open_log
from shared.runtime.health import App, Pulse, health, serve
from shared.runtime.process import run_process
from shared.settings import Health, Nats, Postgres, Process, load, secrets

if TYPE_CHECKING:
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
    logs.configure("projector", process.log_format, secrets=secrets(nats, postgres))
    password, dsn = nats.password.get_secret_value(), postgres.dsn.get_secret_value()
    async with connect(nats.url, user=nats.user, password=password, name="projector") as connection:
        pulse = Pulse(time.monotonic)
        events = open_log(connection, PROJECTOR)
        projector = Projector(events, partial(open_store, dsn), pulse)
        await _serve(projector, _app(projector, connection, pulse), stopping)


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
