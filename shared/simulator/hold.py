"""Calls held back just before they are answered, until somebody releases them.

A test that wants to kill a worker in mid-call holds, waits until so many calls are held, kills, and
releases: nothing depends on how long anything takes.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from shared.simulator.brief import Question
    from shared.simulator.exchange import Exchange


class Filter(BaseModel):
    """Which calls a hold concerns: those that meet every condition given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Literal["perplexity", "claude", "gemini"] | None = None
    model: str | None = None
    task: str | None = None
    match: str = ""

    def applies(self, question: Question) -> bool:
        return (
            self.provider in (None, question.provider)
            and self.model in (None, question.model)
            and self.task in (None, question.brief.task)
            and self.match in question.told
        )


class Hold:
    """The holds in force and the calls waiting behind them."""

    def __init__(self) -> None:
        self._filters: list[Filter] = []
        self._released = asyncio.Event()
        self._changed = asyncio.Condition()
        self.waiting = 0

    def begin(self, concerned: Filter) -> None:
        """Hold these calls too, from now on."""
        self._filters.append(concerned)

    def release(self) -> None:
        """Let every held call go on and hold nothing more."""
        self._filters.clear()
        self._released.set()
        self._released = asyncio.Event()

    async def passing(self, question: Question, exchange: Exchange) -> None:
        """Wait while the call is held and its client is there."""
        if not any(held.applies(question) for held in self._filters):
            return
        await self._count(1)
        try:
            await self._until(self._released, exchange)
        finally:
            await self._count(-1)

    async def _until(self, released: asyncio.Event, exchange: Exchange) -> None:
        leaving = asyncio.create_task(exchange.left_within(None))
        free = asyncio.create_task(released.wait())
        try:
            await asyncio.wait({leaving, free}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            free.cancel()

    async def _count(self, change: int) -> None:
        async with self._changed:
            self.waiting += change
            self._changed.notify_all()

    async def reached(self, count: int, seconds: float) -> int:
        """How many calls are held; answers once there are so many, or after so many seconds."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.waiting >= count)
        except TimeoutError:
            return self.waiting
        return self.waiting
