"""The gateway's parts put together: what it is handed becomes a `Gateway` that follows the log."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import asyncpg

from services.gateway import duties
from services.gateway.access.keyring import Keyring
from services.gateway.access.limits import EVERYBODY, Limits
from services.gateway.context import Gateway
from services.gateway.documents.model_choices import choices
from services.gateway.documents.shipped import shipped_rules
from services.gateway.posts.views import Views
from services.gateway.queue.queue_rows import QueueRows
from services.gateway.queue.workforce import Workforce
from services.gateway.rows import ReadModel
from services.gateway.streams.feed import Feed
from services.gateway.streams.past import Past
from shared.providers.prices import load_prices
from shared.runtime.budgets import Budgets
from shared.runtime.health import Pulse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from services.gateway.access.first import FirstKey
    from services.gateway.access.limits import Allowed
    from services.gateway.control.commands import Clock
    from services.gateway.rows import Pool
    from shared.domain.values import ModelSettings, Stage
    from shared.eventlog import Documents, Live, Media, PostLog
    from shared.heartbeats import Backlogs, Beats
    from shared.runtime.health import Check

_FEED_STUCK_S = 20.0
_DUTIES_STUCK_S = 60.0
_CONNECTIONS = 10
_A_GLANCE = 5_000
"""So many messages the rows may be behind for one post to be answered whole from the log."""


@asynccontextmanager
async def read_model(dsn: str) -> AsyncIterator[ReadModel]:
    """The read model behind this address; it need not be there yet."""
    pool: Pool = asyncpg.create_pool(
        dsn, min_size=0, max_size=_CONNECTIONS, timeout=2.0, command_timeout=5.0
    )
    await pool
    try:
        yield ReadModel(pool)
    finally:
        pool.terminate()


def assemble(
    *,
    tenant: str,
    events: PostLog,
    documents: Documents,
    media: Media,
    live: Live,
    rows: ReadModel,
    clock: Clock,
    monotonic: Callable[[], float],
    models: Mapping[Stage, ModelSettings],
    first: FirstKey | None = None,
    allowed: Allowed = EVERYBODY,
    hosts: tuple[str, ...] = (),
    simulated: tuple[str, ...] = (),
    signs: bool = False,
    day_usd: float | None = None,
    beats: Beats | None = None,
    backlogs: Backlogs | None = None,
    connected: Check = lambda: None,
    heartbeat_s: float = 15.0,
    patience_s: float = 5.0,
) -> tuple[Gateway, Pulse]:
    """The gateway and the pulse of its duties. Alive: its loops turn. Ready: it follows the log."""
    followed, attended = Pulse(monotonic), Pulse(monotonic)
    keyring = Keyring(documents, clock, first)
    feed = Feed(events, live, beat=followed.beat, beside=keyring)
    alive: dict[str, Check] = {
        "feed": lambda: followed.check(_FEED_STUCK_S),
        "duties": lambda: attended.check(_DUTIES_STUCK_S),
    }
    gateway = Gateway(
        tenant=tenant,
        keyring=keyring,
        limits=Limits(allowed, monotonic),
        hosts=hosts,
        events=events,
        documents=documents,
        media=media,
        rows=rows,
        views=Views(events, rows, Past(events, rows, tenant, _A_GLANCE), connected),
        feed=feed,
        past=Past(events, rows, tenant),
        clock=clock,
        queue=QueueRows(rows, tenant),
        workforce=Workforce(beats, backlogs, monotonic),
        budgets=Budgets(
            events,
            documents,
            day_usd=day_usd,
            monotonic=monotonic,
            jitter=Random().random,  # noqa: S311  spreads retries, guards nothing
        ),
        day_usd=day_usd,
        simulated=simulated,
        signs=signs,
        models=models,
        choices=choices(load_prices(), models),
        shipped=shipped_rules(),
        live=alive,
        ready={
            **alive,
            "nats": connected,
            "log": lambda: _following(feed),
            "keys": keyring.problem,
        },
        heartbeat_s=heartbeat_s,
        patience_s=patience_s,
    )
    return gateway, attended


def _following(feed: Feed) -> str | None:
    return "the log has not been reached yet" if feed.position is None else None


@asynccontextmanager
async def running(gateway: Gateway, attended: Pulse) -> AsyncIterator[None]:
    """Feed, keys, duties and the ear for beats turn while the context is open; then all streams
    end.

    A loop that ends by itself is a defect, and ends the context with it.
    """
    async with asyncio.TaskGroup() as group:
        loops = [
            group.create_task(gateway.feed.run(), name="feed"),
            group.create_task(gateway.keyring.run(), name="keys"),
            group.create_task(duties.run(gateway, attended.beat), name="duties"),
            group.create_task(gateway.workforce.listen(), name="workforce"),
        ]
        try:
            yield
        finally:
            gateway.feed.close()
            for loop in loops:
                loop.cancel()
