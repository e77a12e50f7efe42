"""What a worker believes of a replica that lags behind what it has been shown already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.domain.commands import CancelPipeline
from shared.errors import LogUnavailable
from shared.eventlog import History
from shared.runtime import view as views
from shared.runtime.lease import Lease
from shared.runtime.view import NotInHistory, RunView
from tests.unit.runtime.bench import POST, Bench, Delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage
    from shared.eventlog import Append, EventLog


class Behind:
    """A log whose reads show the state before a given sequence, once it is set."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.shows: int | None = None

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        history = await self._log.read(ref, calls)
        if self.shows is None:
            return history
        flow = tuple(each for each in history.flow if each.seq <= self.shows)
        return History(ref, flow, tuple(each for each in history.calls if each.seq <= self.shows))

    async def append(self, append: Append) -> tuple[int, ...]:
        return await self._log.append(append)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAUSE", 0.0)


async def requested(bench: Bench) -> Delivery:
    await bench.create()
    return await bench.delivery()


async def test_a_request_no_read_has_shown_is_not_in_history():
    bench = Bench()
    mine = await requested(bench)
    log = Behind(bench.memory)
    log.shows = mine.seq - 1
    with pytest.raises(NotInHistory):
        await RunView(log, POST, mine.seq, mine.request).read()  # type: ignore[arg-type]


async def test_less_than_was_shown_before_is_an_outage_and_no_forgery():
    bench = Bench()
    mine = await requested(bench)
    log = Behind(bench.memory)
    view = RunView(log, POST, mine.seq, mine.request)  # type: ignore[arg-type]
    await view.read()
    log.shows = mine.seq - 1
    with pytest.raises(LogUnavailable) as told:
        await view.read()
    assert not isinstance(told.value, NotInHistory)


async def test_whoever_saw_the_run_closed_believes_no_read_that_shows_it_open():
    bench = Bench()
    mine = await requested(bench)
    log = Behind(bench.memory)
    view = RunView(log, POST, mine.seq, mine.request)  # type: ignore[arg-type]
    await view.read()
    await bench.do(CancelPipeline(post_id=POST.id))
    closed = (await bench.memory.read(POST)).last
    view.reach(closed)
    log.shows = mine.seq
    with pytest.raises(LogUnavailable):
        await view.read()
    log.shows = None
    await view.read()
    assert not view.active


async def test_a_loan_counts_from_the_asking_however_long_the_answer_took(
    monkeypatch: pytest.MonkeyPatch,
):
    bench = Bench()
    mine = await requested(bench)

    async def slow() -> None:
        bench.mono += 20.0

    monkeypatch.setattr(mine, "still_working", slow)
    lease = Lease(mine, bench.memory, bench.policy, lambda: bench.mono)
    assert lease.fresh()
    await lease.confirm()
    assert not lease.fresh()
