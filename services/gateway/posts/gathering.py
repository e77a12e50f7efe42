"""Changes that follow one another closely become one: held for a moment, merged, written once.

The first change of some fields by somebody waits for a blink, those that follow within two seconds
of what was last written wait until these are over. Whoever asked is answered with what was written,
never before it is. Nothing else waits: held changes live beside the post, not in front of it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from services.gateway.control.commands import Done
    from services.gateway.posts.patch import PostPatch
    from shared.domain.subjects import PostRef

FIRST_S = 0.05
WINDOW_S = 2.0
_REMEMBERED = 10_000


class Writer(NamedTuple):
    """Who changes which fields of what: changes of one writer are merged."""

    ref: PostRef
    actor: str
    fields: frozenset[str]


@dataclass(slots=True)
class _Held:
    patch: PostPatch
    written: asyncio.Task[Done] | None = None


@dataclass(slots=True)
class Gathering:
    """Holds changes back for at most `window_s`; one per gateway."""

    first_s: float = FIRST_S
    window_s: float = WINDOW_S
    _held: dict[Writer, _Held] = field(default_factory=dict)
    _last: OrderedDict[Writer, float] = field(default_factory=OrderedDict)

    @property
    def waiting(self) -> int:
        """How many changes are held."""
        return len(self._held)

    async def change(
        self, writer: Writer, patch: PostPatch, write: Callable[[PostPatch], Awaitable[Done]]
    ) -> Done:
        """What came of the change and of those it was merged with; all of them get the same end,
        also when their clients have left."""
        held = self._held.get(writer)
        if held is None or held.written is None:
            held = self._held[writer] = _Held(patch)
            held.written = asyncio.create_task(self._write(writer, held, write), name="change")
            held.written.add_done_callback(_heard)
        else:
            held.patch = held.patch.merged(patch)
        return await asyncio.shield(held.written)

    async def _write(
        self, writer: Writer, held: _Held, write: Callable[[PostPatch], Awaitable[Done]]
    ) -> Done:
        try:
            await asyncio.sleep(self._pause(writer))
        finally:
            del self._held[writer]
        done = await write(held.patch)
        if done.stored:
            self._remember(writer)
        return done

    def _pause(self, writer: Writer) -> float:
        last = self._last.get(writer)
        if last is None:
            return self.first_s
        return max(self.first_s, last + self.window_s - asyncio.get_running_loop().time())

    def _remember(self, writer: Writer) -> None:
        self._last[writer] = asyncio.get_running_loop().time()
        self._last.move_to_end(writer)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)


def _heard(written: asyncio.Task[Done]) -> None:
    """A refusal that nobody waits for any more is no defect."""
    if not written.cancelled():
        written.exception()
