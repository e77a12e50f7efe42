"""A stage service, wired: settings in, one consumer, health answers, a drain at the end."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import time
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from shared import logs
from shared import settings as configured
from shared.jetstream import (
    connect,
    open_beats,
    open_documents,
    open_inbox,
    open_live,
    open_log,
    open_media,
)
from shared.providers.prices import load_prices
from shared.runtime.beats import beating
from shared.runtime.budgets import Budgets
from shared.runtime.circuit import Circuits
from shared.runtime.concurrency import Concurrency
from shared.runtime.health import Check, Pulse, health, serve
from shared.runtime.policy import Policy
from shared.runtime.process import run_process
from shared.runtime.rules import Rulebook
from shared.runtime.run import StageRunner
from shared.runtime.tools import Tools
from shared.runtime.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from shared.domain.values import Provider, Stage
    from shared.eventlog import Documents
    from shared.jetstream import Connection, JetStreamInbox
    from shared.providers.port import Model
    from shared.runtime.desk import StageFunction

type Providers = Callable[[AsyncExitStack], Awaitable[Mapping[Provider, Model]]]

log = structlog.get_logger()

BEATS = 3
"""Heartbeats per ack_wait: one may get lost before a worker counts as dead."""
STUCK_AFTER = 15.0
"""A fetch returns within two seconds; a loop that has not turned for so long is stuck."""


def run_stage_service(
    stage: Stage, function: StageFunction, rules: str, providers: Providers
) -> None:
    """The whole life of a stage service's process. `providers` opens what the stage may call."""

    async def main(stopping: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            await _serve(stage, function, rules, await providers(stack), stopping)

    run_process(main)


async def _serve(
    stage: Stage,
    function: StageFunction,
    rules: str,
    models: Mapping[Provider, Model],
    stopping: asyncio.Event,
) -> None:
    nats, process = configured.load(configured.Nats), configured.load(configured.Process)
    logs.configure(stage, process.log_format, secrets=configured.secrets(nats))
    async with connect(nats.url, nats.user, nats.password.get_secret_value(), stage) as connection:
        documents = open_documents(connection, stage)
        tools = _tools(connection, documents, models, process, stage)
        inbox = open_inbox(connection, stage)
        runner = StageRunner(
            stage,
            function,
            tools=tools,
            live=open_live(connection),
            rules=Rulebook(rules, documents, stage),
            settings=configured.load(configured.Models).of_stages()[stage],
            worker=f"{socket.gethostname()}/{os.getpid()}",
        )
        pulse = Pulse(time.monotonic)
        concurrency = Concurrency(documents, process.tenant, stage, process.concurrency)
        worker = Worker(inbox, runner, lambda: concurrency.slots, pulse)
        beats = beating(
            open_beats(connection),
            stage,
            utc_now(),
            active=lambda: worker.busy,
            slots=lambda: worker.slots,
            well=lambda: pulse.check(STUCK_AFTER),
        )
        async with concurrency.followed(), beats:
            await _until(worker, connection, inbox, pulse, process, stopping)


async def _until(
    worker: Worker,
    connection: Connection,
    inbox: JetStreamInbox,
    pulse: Pulse,
    process: configured.Process,
    stopping: asyncio.Event,
) -> None:
    """Work until told to stop, then drain. A loop that ends by itself is a crash and says so."""
    where = configured.load(configured.Health)
    app = health(*_checks(connection, inbox, pulse))
    async with serve(app, where.host, where.port) as served:
        log.info("service.ready", health=served.url, simulated=list(process.simulated))
        turning = asyncio.create_task(worker.run())
        told = asyncio.create_task(stopping.wait())
        await asyncio.wait((turning, told), return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if turning.done():
            turning.result()
        turning.cancel()
        with suppress(asyncio.CancelledError):
            await turning
        handed_back = await worker.drain(process.drain_s)
        log.info("service.drained", handed_back=handed_back)


def utc_now() -> datetime:
    """The one look at the clock: everything further in is handed the time."""
    return datetime.now(UTC)  # noqa: TID251  this is the edge


def _checks(
    connection: Connection, inbox: JetStreamInbox, pulse: Pulse
) -> tuple[dict[str, Check], dict[str, Check]]:
    """Alive: the loop turns. Ready: connected, allowed to do its work, and not too old for the
    log."""
    live: dict[str, Check] = {"consumer": lambda: pulse.check(STUCK_AFTER)}
    ready: dict[str, Check] = {
        **live,
        "nats": connection.problem,
        "facts": lambda: inbox.too_new,
    }
    return live, ready


def _tools(
    connection: Connection,
    documents: Documents,
    models: Mapping[Provider, Model],
    process: configured.Process,
    stage: Stage,
) -> Tools:
    attempts = configured.load(configured.Attempts)
    jitter = random.Random().random  # noqa: S311  spreads retries, guards nothing
    events = open_log(connection, stage)
    return Tools(
        events=events,
        media=open_media(connection),
        models=models,
        prices=load_prices(),
        policy=Policy(
            max_attempts=attempts.max_attempts,
            backoff_base=attempts.backoff_base_s,
            backoff_cap=attempts.backoff_max_s,
            stage_deadline=process.stage_deadline_s,
            heartbeat=process.ack_wait_s / BEATS,
            ack_wait=process.ack_wait_s,
        ),
        now=utc_now,
        monotonic=time.monotonic,
        jitter=jitter,
        token=lambda: secrets.token_hex(8),
        circuits=Circuits(
            time.monotonic,
            first_pause=attempts.outage_pause_s,
            longest_pause=attempts.outage_pause_max_s,
        ),
        budgets=Budgets(
            events,
            documents,
            day_usd=process.day_budget_usd,
            monotonic=time.monotonic,
            jitter=jitter,
        ),
    )
