"""What this worker knows about its run: read from the log, and read again whenever in doubt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.domain.attempts import CallJournal, Link, lineage
from shared.domain.events import Recorded
from shared.errors import LogUnavailable
from shared.eventlog import History
from shared.runtime.outcomes import NotActive, Overtaken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.events import PostEvent, StageRequested
    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage
    from shared.eventlog import EventLog

READS = 40
"""So often a read that does not reach the request is repeated (a replica behind its leader)."""
PAUSE = 0.05


class NotInHistory(LogUnavailable):
    """The request that was delivered is not part of its post's history: forged, or purged."""


class RunView:
    """The post's history and the run's call journal, as last read."""

    def __init__(self, log: EventLog, ref: PostRef, run: int, request: StageRequested) -> None:
        self._log = log
        self.ref = ref
        self.run = run
        self.request = request
        self.delivery = 0
        self._reached = run
        self.history = History(ref)
        self.journal = CallJournal((Link(run, None, counts=True),), ())

    async def read(self) -> None:
        """Read until the history reaches this run's own request and everything this worker has read
        or written before; never trust one that does not: it comes from a replica that lags."""
        for _ in range(READS):
            history = await self._log.read(self.ref, self._runs())
            links = lineage(history.flow, self.run)
            deeper = await self._deeper(links)
            if deeper is not None and self._take(history, links, deeper):
                return
            if history.post.deleted:
                raise NotActive(deleted=True, seen=history.last)
            await asyncio.sleep(PAUSE)
        if self.history.last:
            raise LogUnavailable(
                f"the log answers with less of {self.ref.prefix} than it has shown"
            )
        raise NotInHistory(f"no read of {self.ref.prefix} reaches its request {self.run}")

    def _take(self, history: History, links: Sequence[Link], deeper: Sequence[Recorded]) -> bool:
        """Believe a read that knows all this worker knows by now: another call of the run may have
        written, or read, while this one was on its way."""
        newest = max((seq for seq, _ in (*history.flow[-1:], *history.calls)), default=0)
        if newest < self._reached or history.last < self.run:
            return False
        self.history = history
        self.journal = CallJournal(links, (*history.calls, *deeper))
        self._reached = newest
        return True

    def _runs(self) -> list[tuple[Stage, int]]:
        """What one round trip can fetch: this run and the one it names."""
        runs = [(self.request.stage, self.run)]
        if self.request.resumes is not None:
            runs.append((self.request.stage, self.request.resumes))
        return runs

    async def _deeper(self, links: Sequence[Link]) -> tuple[Recorded, ...] | None:
        """Runs further back than the one this request names; seldom any. None from a replica that
        does not know the request yet, and so may not know their answers either."""
        runs = [(self.request.stage, link.run) for link in links[2:]]
        if not runs:
            return ()
        history = await self._log.read(self.ref, runs)
        return history.calls if history.last >= self.run else None

    def note(self, seq: int, fact: PostEvent) -> None:
        """A call fact this worker has just written itself."""
        self.journal.take(Recorded(seq, fact))
        self.reach(seq)

    def reach(self, seq: int) -> None:
        """No later read is believed that does not know this sequence."""
        self._reached = max(self._reached, seq)

    @property
    def active(self) -> bool:
        """This run is the one open request of the post."""
        open_run = self.history.post.active
        return open_run is not None and open_run.run == self.run

    @property
    def overtaken(self) -> bool:
        """A newer delivery works on this run."""
        return self.journal.delivery() > self.delivery

    async def read_mine(self) -> None:
        """Read, and go on only while the run is open and this delivery is the newest."""
        await self.read()
        self.require_mine()

    def require_mine(self) -> None:
        """The same, by what was read last: by whom does not matter, several calls share a view."""
        if not self.active:
            raise NotActive(deleted=self.history.post.deleted, seen=self.history.last)
        if self.overtaken:
            raise Overtaken

    def before(self) -> tuple[Recorded, ...]:
        """The history up to this run's request: what the stage function may see, so that a
        redelivery asks the same question."""
        return tuple(each for each in self.history.flow if each.seq <= self.run)
