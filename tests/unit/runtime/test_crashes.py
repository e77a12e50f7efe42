"""A worker may die before or after any write; the next one comes to the same end and pays nothing
twice in silence.

Every append and read of a run is a place to die. For each of them: die there, deliver again, and
look at what was paid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.domain.events import CallAbandoned, CallSettled, StageCompleted
from shared.domain.ledger import ledger
from shared.domain.values import Stage
from shared.errors import Transient, Unconfirmed
from tests.unit.runtime.bench import Bench, Crash, Model, asks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.events import Fact, Recorded
    from shared.domain.subjects import PostRef
    from shared.eventlog import Append, History
    from shared.testing.memory import MemoryLog

PLACES = 14
"""More appends than one run makes; a test proves it."""


class Faulty:
    """The log, which dies (or does not answer) at the `place`-th append: before it or after it."""

    def __init__(
        self, log: MemoryLog, place: int, *, stored: bool, error: type[BaseException]
    ) -> None:
        self._log = log
        self._left = place
        self._stored = stored
        self._error = error
        self.fired = False

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        return await self._log.read(ref, calls)

    async def last(self, ref: PostRef) -> Recorded | None:
        return await self._log.last(ref)

    async def say(self, ref: PostRef, line: Fact) -> None:
        await self._log.say(ref, line)

    async def append(self, append: Append) -> tuple[int, ...]:
        self._left -= 1
        if self._left != 0:
            return await self._log.append(append)
        self.fired = True
        if self._stored:
            await self._log.append(append)
        raise self._error("here")


async def die(bench: Bench, place: int, *, stored: bool, error: type[BaseException]) -> bool:
    """One worker with a faulty log; True when the fault was reached."""
    faulty = Faulty(bench.memory, place, stored=stored, error=error)
    runner = bench.runner(Stage.RESEARCH, asks("one", "two"), faulty)  # type: ignore[arg-type]
    try:
        await runner.handle(await bench.delivery())
    except Crash:
        return True
    return faulty.fired


@pytest.mark.parametrize("stored", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("place", range(1, PLACES))
async def test_dying_at_any_write_loses_nothing_and_repeats_nothing_settled(place, stored):
    bench = Bench(Model([Transient("busy", code="overloaded_error")]))
    await bench.create()
    await die(bench, place, stored=stored, error=Crash)
    active = (await bench.post()).active
    if active is not None and active.stage is Stage.RESEARCH:
        await bench.run(asks("one", "two"))
    await proved(bench, allow_ambiguous=True)


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
@pytest.mark.parametrize("place", range(1, PLACES))
async def test_a_write_nobody_confirmed_repeats_nothing_at_all(place, stored):
    bench = Bench(Model([Transient("busy", code="overloaded_error")]))
    await bench.create()
    await die(bench, place, stored=stored, error=Unconfirmed)
    await proved(bench, allow_ambiguous=False)


async def test_the_places_cover_a_whole_run():
    bench = Bench(Model([Transient("busy", code="overloaded_error")]))
    await bench.create()
    assert not await die(bench, PLACES, stored=True, error=Crash)


async def proved(bench: Bench, *, allow_ambiguous: bool) -> None:
    facts = await bench.facts()
    assert len([each for each in facts if isinstance(each, StageCompleted)]) == 1
    settled = [each for each in facts if isinstance(each, CallSettled)]
    abandoned = [each for each in facts if isinstance(each, CallAbandoned)]
    assert sorted(each.key for each in settled) == ["one", "two"]
    assert len(bench.model.asked) <= 3 + len(abandoned)
    assert allow_ambiguous or not abandoned
    assert len(ledger(await bench.recorded()).unconfirmed) == len(abandoned)
