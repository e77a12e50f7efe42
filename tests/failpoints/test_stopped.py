"""A worker may stand still for longer than its loan and wake up late: another has taken over, the
late one sends only what was given up by name, books its bill, and its answer is never used.
"""

from __future__ import annotations

import asyncio
from functools import partial
from math import fsum
from typing import TYPE_CHECKING

from shared.domain.values import ORDER, Stage
from tests.failpoints import state
from tests.failpoints.proof import agreed, broken, of_run, proved
from tests.failpoints.replicas import replicated
from tests.failpoints.rows import SENDING, STOPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from tests.failpoints.rig import Made, Rig


async def stood_still(rig: Rig, entries: Iterable[str]) -> dict[str, Made]:
    """A post per place at its end."""
    async with replicated(rig) as replicas, asyncio.TaskGroup() as group:

        async def made(entry: str) -> Made:
            async def led(post: str, stage: Stage) -> None:
                await replicas.standing_still(post, stage, entry)

            return await rig.made(entry, led)

        tasks = {entry: group.create_task(made(entry)) for entry in entries}
    return {entry: task.result() for entry, task in tasks.items()}


def check_cell(post: Made, entry: str, stage: Stage) -> None:
    """The attempt that stood still is settled, billed late, or named; only one that stood on the
    point of sending may have cost what nobody has a bill for."""
    bill = proved(of_run(post.calls, post.runs[stage]), post.asked[stage])
    lost = list(bill.unconfirmed.values())
    assert (bill.late, len(lost)) in STOPS[entry], f"{bill.late} late bills, unconfirmed: {lost}"
    assert entry == "call.unsent@1" or not any(lost), f"sent late: {lost}"
    assert agreed(bill.invoice - bill.settled, fsum(filter(None, lost))), f"{bill} does not add up"


def wrong(post: Made, unhurt: Made, entry: str) -> Iterator[str]:
    for stage in ORDER:
        yield from broken(f"{entry} x {stage}", partial(check_cell, post, entry, stage))
    yield from broken(f"{entry}: end", partial(state.assert_alike, post, unhurt))


async def test_a_worker_may_wake_up_late_anywhere(
    rig: Rig, unhurt: Made, request: pytest.FixtureRequest
) -> None:
    whole = request.config.getoption("--all-failpoints")
    posts = await stood_still(rig, STOPS if whole else SENDING)
    found = [each for entry, post in posts.items() for each in wrong(post, unhurt, entry)]
    assert not found, "\n".join(found)
