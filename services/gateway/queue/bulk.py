"""One command for many posts: each decided by itself, a few at a time, and counted.

What a rule forbids by the time its turn comes (the post went on meanwhile) is passed over; what
could not be decided is counted as failed, and the next request does it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel, ConfigDict

from services.gateway.control.deciding import decided
from services.gateway.posts.reading import projected
from services.gateway.web.refusals import Refused
from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from services.gateway.context import Gateway
    from services.gateway.queue.queue_rows import Choice
    from shared.domain.commands import AnyCommand
    from shared.domain.values import CommandRef

log = structlog.get_logger()

_AT_ONCE = 16


class Tally(BaseModel):
    """How many posts were changed, how many could not be, and up to where the log then was."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    failed: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """The same for every post; `asked` is its spelling, `command` makes it for one of them."""

    choice: Choice
    asked: str
    command: Callable[[UUID, CommandRef], AnyCommand]
    actor: str = "local"
    key: str | None = None


async def every(gateway: Gateway, bulk: Bulk) -> Tally:
    """Carry it out on every post it concerns. Raises `NotYet`, `ReadModelAway`."""
    await projected(gateway, gateway.feed.position or 0)
    turn, tally = asyncio.Semaphore(_AT_ONCE), Tally()
    async for portion in gateway.queue.ids(bulk.choice):
        done = await asyncio.gather(*(_one(gateway, bulk, post, turn) for post in portion))
        tally = Tally(
            count=tally.count + sum(each.count for each in done),
            failed=tally.failed + sum(each.failed for each in done),
            seq=max(tally.seq, *(each.seq for each in done)),
        )
    return tally


async def _one(gateway: Gateway, bulk: Bulk, post: UUID, turn: asyncio.Semaphore) -> Tally:
    names: list[UUID] = []

    def command(by: CommandRef) -> AnyCommand:
        names.append(by.id)
        return bulk.command(post, by)

    async with turn:
        try:
            stored = await decided(gateway, post, bulk.key, bulk.asked, command, actor=bulk.actor)
        except Refused as refused:
            log.info("gateway.passed_over", post_id=str(post), why=str(refused))
            return Tally()
        except GalleyError as error:
            log.warning("gateway.not_done", post_id=str(post), why=str(error))
            return Tally(failed=1)
    return Tally(count=sum(name in stored.post.commands for name in names), seq=stored.last)
