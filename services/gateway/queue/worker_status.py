"""Whether anybody works: measured from the beats of every process and the consumers' own counts.

What is not known is null, never 0.
"""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter

from services.gateway.access.caller import TENANT_OF_ALL
from services.gateway.context import Wired
from services.gateway.rows import ReadModelAway
from services.gateway.web.answers import Answer
from services.gateway.web.documented import LISTED
from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.gateway.context import Gateway
    from shared.heartbeats import Beat

router = APIRouter(prefix="/api/queue", tags=["queue"])

_OTHERS = ("projector", "gateway")


class ServiceStatus(Answer):
    """One service. `active` are the runs its processes have in hand, of `slots` they could have.

    `queued` requests nobody has taken yet, `in_flight` ones are taken and not finished.
    """

    service: str
    alive: bool
    instances: int
    versions: list[str]
    active: int | None = None
    slots: int | None = None
    queued: int | None = None
    in_flight: int | None = None
    oldest_waiting_s: float | None = None
    last_completed_at: datetime | None = None


class WorkerStatus(Answer):
    """`worker_alive`: every stage has a process that was heard within the last six seconds."""

    worker_alive: bool
    active_jobs: int | None
    queued_jobs: int | None
    last_completed: datetime | None
    services: list[ServiceStatus]


@router.get("/worker-status", responses=LISTED)
async def read_worker_status(gateway: Wired) -> WorkerStatus:
    """Every service: whether it is heard, what it has in hand and what waits for it."""
    completed = await _completed(gateway)
    stages = await asyncio.gather(*(_stage(gateway, stage, completed) for stage in ORDER))
    others = [_service(name, gateway.workforce.at_work(name)) for name in _OTHERS]
    return WorkerStatus(
        worker_alive=all(stage.alive for stage in stages),
        active_jobs=_sum(stage.active for stage in stages),
        queued_jobs=_sum(stage.queued for stage in stages),
        last_completed=max(completed.values(), default=None),
        services=[*stages, *others],
    )


async def _completed(gateway: Gateway) -> dict[Stage, datetime]:
    try:
        return await gateway.queue.completed()
    except ReadModelAway:
        return {}


async def _stage(gateway: Gateway, stage: Stage, completed: dict[Stage, datetime]) -> ServiceStatus:
    beats = gateway.workforce.at_work(stage)
    backlog = await gateway.workforce.backlog(stage)
    known: dict[str, int | float | datetime | None] = {
        "active": sum(beat.active for beat in beats) if beats else None,
        "slots": sum(beat.slots for beat in beats) if beats else None,
        "last_completed_at": completed.get(stage),
    }
    if gateway.tenant != TENANT_OF_ALL:
        # How much there is to do is everybody's, and so nobody's business but the operator's.
        known = {"last_completed_at": completed.get(stage)}
    elif backlog is not None:
        known |= {"queued": backlog.queued, "in_flight": backlog.in_flight}
        known["oldest_waiting_s"] = _age(gateway, backlog.oldest)
    return _service(stage, beats).model_copy(update=known)


def _service(name: str, beats: list[Beat]) -> ServiceStatus:
    return ServiceStatus(
        service=name,
        alive=bool(beats),
        instances=len(beats),
        versions=sorted({beat.version for beat in beats} - {""}),
    )


def _age(gateway: Gateway, oldest: datetime | None) -> float | None:
    if oldest is None:
        return None
    return round(max(0.0, (gateway.clock() - oldest).total_seconds()), 1)


def _sum(counts: Iterable[int | None]) -> int | None:
    """The sum of what is known; unknown when nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
