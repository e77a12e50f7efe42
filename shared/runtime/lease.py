"""A worker's hold on its message: kept alive while it works, and let go when the run is closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from shared.errors import LogUnavailable, TooNew
from shared.runtime.outcomes import NotActive

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.eventlog import Delivery, EventLog
    from shared.runtime.policy import Policy

log = structlog.get_logger()


class Lease:
    """Heartbeats for one delivery. `fresh` says whether the last confirmed one is recent enough to
    send a paid request without looking again."""

    def __init__(
        self, delivery: Delivery, events: EventLog, policy: Policy, monotonic: Callable[[], float]
    ) -> None:
        self._delivery = delivery
        self._events = events
        self._policy = policy
        self._monotonic = monotonic
        self._confirmed = monotonic()
        self._seen = 0

    def fresh(self) -> bool:
        return self._monotonic() - self._confirmed < self._policy.ack_wait / 2

    async def confirm(self) -> None:
        """Prolong the loan, from the moment of asking: the answer may have been long on its way.

        Raises `LogUnavailable` when the server does not answer.
        """
        asked = self._monotonic()
        await self._delivery.still_working()
        self._confirmed = asked

    async def keep(self) -> None:
        """Beat until cancelled. Raises `NotActive` as soon as the run is seen to be closed."""
        while True:
            await asyncio.sleep(self._policy.heartbeat)
            try:
                await self.confirm()
                await self._look()
            except (LogUnavailable, TooNew) as error:
                log.warning("lease.unconfirmed", post=str(self._delivery.ref.id), why=str(error))

    async def _look(self) -> None:
        """The whole history is read only when the post's last flow fact is new; it stays new until
        a read has shown it."""
        last = await self._events.last(self._delivery.ref)
        if last is None or last.seq <= max(self._seen, self._delivery.seq):
            return
        history = await self._events.read(self._delivery.ref)
        if history.last < last.seq:
            return
        self._seen, post = last.seq, history.post
        if post.active is None or post.active.run != self._delivery.seq:
            raise NotActive(deleted=post.deleted, seen=history.last)
