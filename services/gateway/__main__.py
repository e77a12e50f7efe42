"""The gateway's process: settings in, HTTP out, streams ended before it stops."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from services.gateway.access.first import first_key, require_keys
from services.gateway.access.limits import Allowed
from services.gateway.app import create_app
from services.gateway.notices.running import telling, watched
from services.gateway.provenance import foreign, until
from services.gateway.web.connections import BoundedProtocol
from services.gateway.wiring import assemble, read_model, running
from shared import logs
from shared import settings as configured
from shared.errors import ForeignLog
from shared.jetstream import (
    GATEWAY,
    connect,
    open_backlogs,
    open_beats,
    open_documents,
    open_live,
    open_log,
    open_media,
)
from shared.runtime.beats import beating
from shared.runtime.health import Pulse, serve
from shared.runtime.process import run_process

if TYPE_CHECKING:
    import asyncio

    from services.gateway.access.first import FirstKey
    from services.gateway.context import Gateway
    from services.gateway.rows import ReadModel
    from shared.eventlog import Documents
    from shared.jetstream import Connection

log = structlog.get_logger()


async def main(stopping: asyncio.Event) -> None:
    """Serve until told to stop."""
    nats, postgres = configured.load(configured.Nats), configured.load(configured.Postgres)
    process, webhook = configured.load(configured.Process), configured.load(configured.Webhook)
    keys = configured.load(configured.FirstKeySettings)
    hidden = configured.secrets(nats, postgres, webhook, keys)
    logs.configure(GATEWAY, process.log_format, secrets=hidden)
    password = nats.password.get_secret_value()
    async with (
        connect(nats.url, nats.user, password, GATEWAY) as connection,
        read_model(postgres.dsn.get_secret_value()) as rows,
    ):
        told = Pulse(time.monotonic)
        documents = open_documents(connection, GATEWAY)
        first = first_key(keys, documents, _now)
        await require_keys(documents, configured.load(configured.Health).host, first)
        gateway, attended = _assembled(
            connection, rows, documents, process, first, signs=webhook.secret is not None
        )
        gateway = watched(gateway, told)
        why = await foreign(gateway.events, gateway.rows)
        if not why:
            async with (
                telling(gateway, webhook, told.beat),
                beating(open_beats(connection), GATEWAY, datetime.now(UTC)),
            ):
                why = await _serve(gateway, attended, process, stopping)
    if why:
        raise ForeignLog(why)


def _assembled(
    connection: Connection,
    rows: ReadModel,
    documents: Documents,
    process: configured.Process,
    first: FirstKey | None,
    *,
    signs: bool,
) -> tuple[Gateway, Pulse]:
    door = configured.load(configured.Door)
    return assemble(
        tenant=process.tenant,
        events=open_log(connection, GATEWAY),
        documents=documents,
        first=first,
        allowed=Allowed(door.requests_per_s, door.streams_per_key),
        hosts=door.hosts,
        media=open_media(connection),
        live=open_live(connection),
        beats=open_beats(connection),
        backlogs=open_backlogs(connection),
        rows=rows,
        clock=_now,
        monotonic=time.monotonic,
        simulated=process.simulated,
        models=configured.load(configured.Models).of_stages(),
        signs=signs,
        day_usd=process.day_budget_usd,
        connected=connection.problem,
    )


async def _serve(
    gateway: Gateway, attended: Pulse, process: configured.Process, stopping: asyncio.Event
) -> str:
    """Until told to stop, or until the rows turn out to be of another log: then why."""
    where, drain = configured.load(configured.Health), int(process.drain_s)
    app, speaks = create_app(gateway), BoundedProtocol
    async with serve(app, where.host, where.port, drain_s=drain, protocol=speaks) as served:
        async with running(gateway, attended):
            log.info("service.ready", url=served.url, simulated=list(process.simulated))
            why = await until(stopping, gateway.events, gateway.rows)
        log.info("service.draining")
    return why


def _now() -> datetime:
    return datetime.now(UTC)


if __name__ == "__main__":
    run_process(main)
