"""One command for many posts: each decided by itself, a few at a time, and counted.

What a rule forbids by the time its turn comes (the post went on meanwhile) is passed over; what
could not be decided is counted as failed and the first of it named, and the next request does it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

import structlog
from pydantic import BaseModel, ConfigDict

from services.gateway.control.deciding import SEQUENCE, decided
from services.gateway.posts.reading import projected
from services.gateway.web.answers import Answer
from services.gateway.web.refusals import Refused
from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import Response

    from services.gateway.context import Gateway
    from services.gateway.queue.queue_rows import Choice
    from shared.domain.commands import AnyCommand
    from shared.domain.values import CommandRef

log = structlog.get_logger()

_AT_ONCE = 16
MOST_NAMED = 20

type Done = Literal["paused", "resumed", "cleared"]


class Failure(BaseModel):
    """A post that could not be changed, and why."""

    model_config = ConfigDict(frozen=True)

    post_id: UUID
    why: str


class Tally(BaseModel):
    """How many posts were changed, how many could not be (the first of them by name), and up to
    where the log then was."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    failed: int = 0
    seq: int = 0
    failures: tuple[Failure, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            count=self.count + other.count,
            failed=self.failed + other.failed,
            seq=max(self.seq, other.seq),
            failures=(self.failures + other.failures)[:MOST_NAMED],
        )


class BulkRead(Answer):
    """How many posts were changed; `failed` could not be, and are by the next request. `failures`
    names the first of these."""

    status: Done
    count: int
    failed: int
    failures: list[Failure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """The same for every post; `asked` is its spelling, `command` makes it for one of them."""

    choice: Choice
    asked: str
    command: Callable[[UUID, CommandRef], AnyCommand]
    key: str | None = None


async def every(gateway: Gateway, bulk: Bulk) -> Tally:
    """Carry it out on every post it concerns. Raises `NotYet`, `ReadModelAway`."""
    await projected(gateway, gateway.feed.position or 0)
    turn, tally = asyncio.Semaphore(_AT_ONCE), Tally()
    async for portion in gateway.queue.ids(bulk.choice):
        done = await asyncio.gather(*(_one(gateway, bulk, post, turn) for post in portion))
        tally = sum(done, tally)
    return tally


async def _one(gateway: Gateway, bulk: Bulk, post: UUID, turn: asyncio.Semaphore) -> Tally:
    names: list[UUID] = []

    def command(by: CommandRef) -> AnyCommand:
        names.append(by.id)
        return bulk.command(post, by)

    async with turn:
        try:
            stored = await decided(gateway, post, bulk.key, bulk.asked, command)
        except Refused as refused:
            log.info("gateway.passed_over", post_id=str(post), why=str(refused))
            return Tally()
        except GalleyError as error:
            log.warning("gateway.not_done", post_id=str(post), why=str(error))
            return Tally(failed=1, failures=(Failure(post_id=post, why=str(error)[:200]),))
    return Tally(count=sum(name in stored.post.commands for name in names), seq=stored.last)


def tell_all(response: Response, status: Done, tally: Tally) -> BulkRead:
    """The answer, and in a header how far the log has come."""
    if tally.seq:
        response.headers[SEQUENCE] = str(tally.seq)
    return BulkRead(
        status=status, count=tally.count, failed=tally.failed, failures=list(tally.failures)
    )
