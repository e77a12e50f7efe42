"""What services tell of themselves while they run, and what waits for them: seen, never stored.

A service beats every two seconds; who has not heard it for six calls it dead. Nothing rests on a
beat but what people are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from shared.domain.values import Stage

EVERY_S = 2.0
SILENT_S = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One process of a service: how many runs it has in hand, and how many it would take."""

    service: str
    instance: str
    active: int
    slots: int
    started_at: datetime
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """A stage's requests: `queued` ones nobody has taken yet, `in_flight` ones are in hand.

    `oldest` is when the first of the queued ones was stored.
    """

    queued: int
    in_flight: int
    oldest: datetime | None = None


class Beats(Protocol):
    async def publish(self, beat: Beat) -> None:
        """Tell whoever listens, if anybody. Never raises, never waits for anyone."""
        ...

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Beat]]:
        """The beats of all services while the context is open; a slow reader misses some."""
        ...


class Backlogs(Protocol):
    async def of(self, stage: Stage) -> Backlog:
        """What waits for a stage now. Raises `LogUnavailable`."""
        ...


def release() -> str:
    """Which Galley this process runs; empty where it was not installed as a package."""
    try:
        return version("galley")
    except PackageNotFoundError:
        return ""
