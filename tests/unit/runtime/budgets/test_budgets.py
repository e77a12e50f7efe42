"""A call under a cap: held back with its claim, booked after its end, or not made at all."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from shared.domain.balances import EMPTY, Balance, decode_balance, usd
from shared.domain.commands import DeletePost, WakeStage
from shared.domain.documents import Document, settings_ref
from shared.domain.events import BudgetExceeded, CallSettled, CallStarted, StageCompleted
from shared.domain.subjects import MAIN
from shared.errors import Transient
from shared.runtime.budgets import LOOK_AGAIN_S, Budgets
from shared.runtime.desk import Work
from tests.unit.runtime.bench import POST, START, Bench, Crash, Model, ask, asks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.events import PostEvent
    from shared.eventlog import Append, CallJournal, Stored
    from shared.runtime.budgets import Purse
    from shared.runtime.desk import Desk
    from shared.testing.memory import MemoryLog

DAY = "budgets.main.day.all.2026-01-01"
OWN = f"budgets.main.post.{POST.id}.all"
DAY_CAP = 0.012
"""Room for one call at its worst, a cent; not for another beside what the first one did cost."""


class Watched:
    """The log as budgets see it; `crash` lets the process die before it books."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.reads = 0
        self.crash = False

    async def append(self, append: Append) -> tuple[int, ...]:
        if self.crash:
            raise Crash
        return await self._log.append(append)

    async def calls(self, ref: Any) -> CallJournal:
        return await self._log.calls(ref)

    async def latest(self, subjects: Sequence[str]) -> Mapping[str, Stored]:
        self.reads += 1
        return await self._log.latest(subjects)


class Capped(Bench):
    """A bench whose workers keep budgets."""

    def __init__(self, model: Model | None = None) -> None:
        super().__init__(model)
        self.accounts = Watched(self.memory)
        self.purse: Purse = Budgets(
            self.accounts,
            self.documents,
            day_usd=None,
            monotonic=lambda: self.mono,
            jitter=lambda: 0.0,
        )

    async def cap(self, **budgets: float) -> None:
        ref = settings_ref(MAIN)
        stands = (await self.documents.standing([ref])).get(ref)
        content: Any = {"values": {"budgets": budgets}}
        document = Document(actor="p", at=START, content=content)
        await self.documents.write(ref, document, stands.top if stands else 0)

    def balance(self, subject: str) -> Balance:
        found = [each.data for each in self.memory.messages if each.subject == subject]
        return decode_balance(found[-1]) if found else EMPTY


@pytest.fixture
async def bench() -> Capped:
    bench = Capped()
    await bench.create()
    return bench


async def only[F: PostEvent](bench: Capped, kind: type[F]) -> list[F]:
    return [fact for fact in await bench.facts() if isinstance(fact, kind)]


async def test_without_a_cap_nothing_is_held_back_and_next_to_nothing_read(bench: Capped):
    await bench.run(asks("a", "b", "c"))
    assert bench.accounts.reads == 1
    assert not [each for each in bench.memory.messages if each.subject.startswith("budgets.")]
    assert {claim.scopes for claim in await only(bench, CallStarted)} == {()}


async def test_a_cap_that_is_set_meanwhile_is_obeyed_a_few_seconds_later(bench: Capped):
    async def two(desk: Desk) -> Work:
        await desk.ask("a", ask("a", desk), asking="a")
        await bench.cap(day_usd=0.001)
        bench.mono += LOOK_AGAIN_S
        await desk.ask("b", ask("b", desk), asking="b")
        raise AssertionError

    await bench.run(two)
    assert (await bench.post()).held is not None


async def test_a_call_is_held_back_in_every_budget_that_covers_it_and_booked_in_each(
    bench: Capped,
):
    await bench.cap(day_usd=1, post_usd=1)
    held = []

    async def look(desk: Desk) -> Work:
        bench.model.held = asyncio.Event()
        asking = asyncio.create_task(desk.ask("a", ask("a", desk), asking="a"))
        await bench.model.reached.wait()
        held.extend([bench.balance(DAY), bench.balance(OWN)])
        bench.model.held.set()
        return Work(output=(await asking).text, summary="Done")

    await bench.run(look)
    [claim], [settled] = await only(bench, CallStarted), await only(bench, CallSettled)
    assert claim.scopes == ("day.all.2026-01-01", f"post.{POST.id}.all")
    name = f"{POST.id}.research.{claim.run}.a.1"
    assert [each.reserved for each in held] == [{name: usd(claim.worst_case_usd)}] * 2
    booked = Balance(spent_usd=usd(settled.cost_usd))
    assert (bench.balance(DAY), bench.balance(OWN)) == (booked, booked)


async def test_a_call_that_does_not_fit_is_not_made_and_its_post_goes_on_once_it_fits(
    bench: Capped,
):
    await bench.cap(day_usd=DAY_CAP)
    await bench.run(asks("a", "b"))
    [over] = await only(bench, BudgetExceeded)
    assert (over.scope, over.cap_usd, over.needed_usd > over.left_usd) == ("day", DAY_CAP, True)
    assert len(bench.model.asked) == 1
    await bench.cap(day_usd=1)
    bench.later(5)
    await bench.do(WakeStage(post_id=POST.id, run=over.run))
    await bench.run(asks("a", "b"))
    assert [claim.key for claim in await only(bench, CallStarted)] == ["a", "b"]
    assert await only(bench, StageCompleted)


async def test_a_call_larger_than_its_budget_waits_and_says_that_it_never_fits(bench: Capped):
    await bench.cap(post_usd=0.001)
    await bench.run(asks("a"))
    [over] = await only(bench, BudgetExceeded)
    assert over.needed_usd > 0.001 == over.cap_usd
    assert bench.model.asked == []


async def test_a_neighbour_under_way_is_not_paid_in_vain(bench: Capped):
    """Both would not fit at once; one after the other they do."""
    await bench.cap(day_usd=0.015)

    async def both(desk: Desk) -> Work:
        async with asyncio.TaskGroup() as group:
            for key in ("a", "b"):
                group.create_task(desk.ask(key, ask(key, desk), asking=key))
        return Work(output="done", summary="Done")

    await bench.run(both)
    assert [type(fact).__name__ for fact in await bench.facts() if fact.EVENT == "ended"] == [
        "CallSettled",
        "CallSettled",
    ]
    assert await only(bench, StageCompleted)


async def test_what_a_worker_had_no_time_to_book_is_booked_on_redelivery(bench: Capped):
    await bench.cap(day_usd=1)

    async def dies(desk: Desk) -> Work:
        await desk.ask("a", ask("a", desk), asking="a")
        raise AssertionError

    delivery = await bench.delivery()
    reached = bench.model.reached

    async def crash() -> None:
        await reached.wait()
        bench.accounts.crash = True

    dying = bench.runner(delivery.request.stage, dies).handle(delivery)
    with pytest.raises(Crash):
        await asyncio.gather(crash(), dying)
    assert bench.balance(DAY).reserved
    bench.accounts.crash = False
    await bench.run(asks("a"))
    [settled] = await only(bench, CallSettled)
    assert bench.balance(DAY) == Balance(spent_usd=usd(settled.cost_usd))


async def test_a_failure_that_may_have_been_charged_stays_counted_at_its_worst():
    bench = Capped(Model([Transient("cut", code="cut_off", unsure=True)]))
    await bench.create()
    await bench.cap(day_usd=1)
    await bench.run(asks("a"))
    claims, [settled] = await only(bench, CallStarted), await only(bench, CallSettled)
    balance = bench.balance(DAY)
    assert list(balance.unconfirmed.values()) == [usd(claims[0].worst_case_usd)]
    assert balance.spent_usd == usd(settled.cost_usd)


async def test_a_post_s_first_cap_counts_what_it_had_cost_before(bench: Capped):
    await bench.run(asks("a"))
    spent = sum((usd(each.cost_usd) for each in await only(bench, CallSettled)), Decimal(0))
    await bench.cap(post_usd=1)
    bench.mono += LOOK_AGAIN_S
    await bench.run(asks("a"), (await bench.delivery()).request.stage)
    costs = [usd(each.cost_usd) for each in await only(bench, CallSettled)]
    assert bench.balance(OWN).spent_usd == sum(costs) > spent


async def test_a_call_answered_after_its_post_was_deleted_is_booked_all_the_same(bench: Capped):
    await bench.cap(day_usd=1)

    async def deleted(desk: Desk) -> Work:
        bench.model.held = asyncio.Event()
        asking = asyncio.create_task(desk.ask("a", ask("a", desk), asking="a"))
        await bench.model.reached.wait()
        await bench.do(DeletePost(post_id=POST.id))
        bench.model.held.set()
        return Work(output=(await asking).text, summary="Done")

    await bench.run(deleted)
    [settled] = await only(bench, CallSettled)
    assert settled.text is None
    assert bench.balance(DAY) == Balance(spent_usd=usd(settled.cost_usd))
