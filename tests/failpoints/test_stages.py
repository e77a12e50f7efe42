"""A stage's process may die at any of these places: nothing settled is paid twice, nothing is
repeated in silence, and the post comes to what it would have come to.

All posts are alike, each in a profile of its own, so that one that met no crash tells what the
others have to come to. They are on their way at once, and judged when all have come to their end.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import fsum
from typing import TYPE_CHECKING

import pytest

from shared.domain.values import ORDER, Stage
from tests.failpoints import state
from tests.failpoints.proof import agreed, broken, of_run, proved, tried
from tests.failpoints.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.failpoints.proof import Paid
    from tests.failpoints.rig import Made, Rig
    from tests.failpoints.rows import Row


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[Row]:
    """All of the matrix, or the part that every run of the suite can afford."""
    whole = request.config.getoption("--all-failpoints")
    return [row for row in ROWS if whole or row.always]


async def died(rig: Rig, rows: Iterable[Row]) -> dict[Row, Made]:
    """A post per row at its end."""

    async def made(row: Row) -> Made:
        async def led(post: str, stage: Stage) -> None:
            await rig.dying(post, stage, row.entries if stage in row.stages else ())

        return await rig.made(str(row), led)

    async with asyncio.TaskGroup() as group:
        tasks = {row: group.create_task(made(row)) for row in rows}
    return {row: task.result() for row, task in tasks.items()}


def paid(post: Made, stage: Stage) -> Paid:
    return proved(of_run(post.calls, post.runs[stage]), post.asked[stage])


def check_cell(post: Made, row: Row, stage: Stage) -> None:
    """What is lost is what the row says, and the invoice exceeds the books by just that."""
    bill, lost = paid(post, stage), row.lost if stage in row.stages else 0
    named = list(bill.unconfirmed.values())
    assert lost in (None, len(named)), f"{len(named)} attempts lost, not {lost}"
    assert lost is None or all((cost is not None) == row.paid for cost in named), f"lost: {named}"
    unseen = fsum(cost for cost in named if cost is not None)
    assert agreed(bill.invoice - bill.settled, unseen), f"{bill} does not add up"


def check_ledger(post: Made) -> None:
    """The ledger that people see is the sum of what was proved, name by name."""
    bills = {stage: paid(post, stage) for stage in ORDER}
    book, settled = post.post["ledger"], fsum(bill.settled for bill in bills.values())
    assert agreed(book["settled_usd"], settled), (
        f"{book['settled_usd']} in the books, not {settled}"
    )
    told = {(each["stage"], each["key"], each["attempt"]) for each in book["unconfirmed"]}
    lost = {(stage, *name) for stage in ORDER for name in bills[stage].unconfirmed}
    assert told == lost, f"unconfirmed are {lost}, the ledger names {told}"
    assert not any(each["open"] for each in book["unconfirmed"]), "an attempt is left open"


def wrong(post: Made, unhurt: Made, row: Row) -> Iterator[str]:
    """Everything that is not as it should be with a post."""
    for stage in ORDER:
        yield from broken(f"{row} x {stage}", partial(check_cell, post, row, stage))
    yield from broken(f"{row}: ledger", partial(check_ledger, post))
    yield from broken(f"{row}: end", partial(state.assert_alike, post, unhurt))


async def test_a_stage_may_die_anywhere(rig: Rig, unhurt: Made, rows: list[Row]) -> None:
    posts = await died(rig, rows)
    found = [each for row, post in posts.items() for each in wrong(post, unhurt, row)]
    assert not found, "\n".join(found)


async def test_a_post_that_meets_no_crash_asks_for_everything_once(unhurt: Made) -> None:
    assert {each.attempt for each in tried(unhurt.calls)} == {1}
    assert all(not paid(unhurt, stage).unconfirmed for stage in ORDER)
