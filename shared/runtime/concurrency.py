"""How many runs a worker may have in hand: what the settings say, followed while it works.

With the log away, or settings that cannot be read, the last number known stays in force.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog

from shared.domain.documents import settings_in, settings_ref
from shared.errors import LogError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from shared.domain.values import Stage
    from shared.eventlog import Documents

log = structlog.get_logger()

EVERY: Final = 5.0


class Concurrency:
    """The slots of one stage's worker; `default` where the settings say nothing."""

    def __init__(self, documents: Documents, tenant: str, stage: Stage, default: int) -> None:
        self._documents = documents
        self._ref = settings_ref(tenant)
        self._stage = stage
        self._default = default
        self.slots = default

    async def follow(
        self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep, every: float = EVERY
    ) -> None:
        """Look, again and again, until cancelled."""
        while True:
            await sleep(every)
            await self.look()

    async def look(self) -> None:
        """Take over what the settings say now."""
        try:
            found = await self._documents.latest([self._ref])
            said = settings_in(found.get(self._ref)).concurrency.get(self._stage, self._default)
        except LogError as error:
            log.warning("concurrency.unread", stage=self._stage, why=str(error))
            return
        slots = max(1, said)
        if slots != self.slots:
            log.info("concurrency.changed", stage=self._stage, before=self.slots, now=slots)
        self.slots = slots

    @asynccontextmanager
    async def followed(self) -> AsyncIterator[None]:
        """Look now, and again and again while the context is open."""
        await self.look()
        following = asyncio.create_task(self.follow(), name="concurrency")
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
