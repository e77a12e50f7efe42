"""Who is heard at work, and what waits for them: the newest beat of each process, each stage's
backlog at most a second old.

What is not known is None, never 0: a server that does not answer says nothing about its queue.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from shared.errors import LogError
from shared.heartbeats import SILENT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.domain.values import Stage
    from shared.heartbeats import Backlog, Backlogs, Beat, Beats

log = structlog.get_logger()

_AGAIN_S = 0.5
_FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class _Heard:
    beat: Beat
    at: float


@dataclass(frozen=True, slots=True)
class _Looked:
    backlog: Backlog | None
    at: float


class Workforce:
    """Without `beats` or `backlogs` nobody is heard and no queue is known."""

    def __init__(
        self,
        beats: Beats | None = None,
        backlogs: Backlogs | None = None,
        monotonic: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._beats = beats
        self._backlogs = backlogs
        self._now = monotonic
        self._heard: dict[tuple[str, str], _Heard] = {}
        self._looked: dict[Stage, _Looked] = {}
        self._looking: defaultdict[Stage, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def listen(self) -> None:
        """Hear every beat until cancelled."""
        while self._beats is not None:
            try:
                async with self._beats.subscribe() as beats:
                    async for beat in beats:
                        self.hear(beat)
            except LogError as error:
                log.warning("gateway.beats_broken", why=str(error))
            await asyncio.sleep(_AGAIN_S)

    def hear(self, beat: Beat) -> None:
        self._heard[beat.service, beat.instance] = _Heard(beat, self._now())
        self._forget()

    def at_work(self, service: str) -> list[Beat]:
        """The newest beat of every process of this service that lives."""
        self._forget()
        return [heard.beat for (name, _), heard in sorted(self._heard.items()) if name == service]

    def _forget(self) -> None:
        silent = self._now() - SILENT_S
        self._heard = {key: heard for key, heard in self._heard.items() if heard.at >= silent}

    async def backlog(self, stage: Stage) -> Backlog | None:
        """What waits for this stage; many who ask at once ask the server once."""
        async with self._looking[stage]:
            looked = self._looked.get(stage)
            if looked is None or self._now() - looked.at >= _FRESH_S:
                looked = _Looked(await self._asked(stage), self._now())
                self._looked[stage] = looked
            return looked.backlog

    async def _asked(self, stage: Stage) -> Backlog | None:
        if self._backlogs is None:
            return None
        try:
            return await self._backlogs.of(stage)
        except LogError as error:
            log.warning("gateway.backlog_unknown", stage=stage, why=str(error))
            return None
