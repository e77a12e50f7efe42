"""A post's history in one round trip, verified; if it does not hold together, read again in order.

Whatever is left out is alarmed, once per post and finding.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from shared.domain.events import Recorded
from shared.errors import Malformed
from shared.eventlog import CallJournal, History
from shared.jetstream.direct import Direct, TooMany
from shared.jetstream.history import (
    Broken,
    repaired_calls,
    repaired_flow,
    verified_calls,
    verified_flow,
)
from shared.jetstream.messages import fact_of
from shared.jetstream.rights import STREAM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage
    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Item

_REMEMBERED: Final = 1000


class Reader:
    """Reads posts. Remembers, for damaged ones, which sequence an append must expect."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.direct: Final = Direct(connection, STREAM)
        self._damaged: OrderedDict[PostRef, tuple[int, int]] = OrderedDict()
        self._told: OrderedDict[str, None] = OrderedDict()

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        journals = list(dict.fromkeys(ref.calls(stage, run) for stage, run in calls))
        try:
            return _history(ref, await self.direct.latest([ref.flow, *journals]))
        except (TooMany, Broken):
            flow = await self._flow(ref)
            return History(ref, flow, await self._calls(journals))

    async def last(self, ref: PostRef) -> Recorded | None:
        item = await self.direct.last(ref.flow)
        if item is None:
            return None
        try:
            return Recorded(item.seq, fact_of(item))
        except Malformed:
            flow = await self._flow(ref)
            return flow[-1] if flow else None

    async def journal(self, ref: PostRef) -> CallJournal:
        """The whole call journal, also of more calls than the server answers for at once."""
        try:
            items = await self.direct.latest([ref.journal])
            return CallJournal(verified_calls(items), items[-1].seq if items else 0)
        except (TooMany, Broken):
            items = [item async for item in self.direct.everything(ref.journal)]
        repaired = repaired_calls(items)
        self._alarm(repaired.left_out)
        return CallJournal(repaired.facts, repaired.reaches)

    def fence(self, ref: PostRef, after: int) -> int:
        """The sequence the server must be asked to compare with when `after` is what was read."""
        verified, reaches = self._damaged.get(ref, (after, after))
        return reaches if verified == after else after

    async def _flow(self, ref: PostRef) -> tuple[Recorded, ...]:
        """The flow apart from the calls; in order only when it must be."""
        try:
            return verified_flow(ref, await self.direct.latest([ref.flow]))
        except (TooMany, Broken):
            repaired = repaired_flow(ref, [item async for item in self.direct.everything(ref.flow)])
        self._alarm(repaired.left_out)
        _remember(self._damaged, ref, (_end(repaired.facts), repaired.reaches))
        return repaired.facts

    async def _calls(self, journals: Sequence[str]) -> tuple[Recorded, ...]:
        found = [fact for journal in journals for fact in await self._run(journal)]
        return tuple(sorted(found, key=lambda recorded: recorded.seq))

    async def _run(self, journal: str) -> tuple[Recorded, ...]:
        try:
            return verified_calls(await self.direct.latest([journal]))
        except (TooMany, Broken):
            repaired = repaired_calls([item async for item in self.direct.everything(journal)])
        self._alarm(repaired.left_out)
        return repaired.facts

    def _alarm(self, left_out: Sequence[str]) -> None:
        for found in left_out:
            if found not in self._told:
                _remember(self._told, found, None)
                self._connection.alarm(
                    "log.invalid_message", f"left out of its post's history: {found}"
                )


def _history(ref: PostRef, items: Sequence[Item]) -> History:
    branch = ref.flow.removesuffix(">")
    flow = [item for item in items if item.subject.startswith(branch)]
    calls = [item for item in items if not item.subject.startswith(branch)]
    return History(ref, verified_flow(ref, flow), verified_calls(calls))


def _end(facts: Sequence[Recorded]) -> int:
    return facts[-1].seq if facts else 0


def _remember[K, V](known: OrderedDict[K, V], key: K, value: V) -> None:
    known[key] = value
    while len(known) > _REMEMBERED:
        known.popitem(last=False)
