"""The laws can be broken: a core that lacks one of its precautions is caught within a few lives.

Each variant replaces one function of `decide` or of the runtime, as an edit would that takes the
precaution out.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.domain import decide as rules
from shared.domain.post import Active
from shared.domain.rules.reporting import report
from shared.eventlog import Append
from shared.runtime import calls
from shared.runtime.bookkeeping import Bookkeeping
from shared.runtime.run import StageRunner
from tests.unit.runtime.simulation.test_simulation import told

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from shared.domain.commands import StageCommand
    from shared.domain.events import AnyFlow
    from shared.domain.post import Post
    from shared.eventlog import Delivery

LIVES = 300


def open_attempts_are_not_ended_first(patch: pytest.MonkeyPatch) -> None:
    async def passed_over(_calls: calls.Calls, _key: str) -> bool:
        return False

    patch.setattr(calls.Calls, "_abandoned_before", passed_over)


def claims_expect_nothing_of_the_flow(patch: pytest.MonkeyPatch) -> None:
    def unfenced(**said: Any) -> Append:
        return Append(**{**said, "after": None})

    patch.setattr(calls, "Append", unfenced)


def answers_are_used_while_they_are_being_settled(patch: pytest.MonkeyPatch) -> None:
    write = Bookkeeping._write
    writing: set[asyncio.Task[None]] = set()

    async def meanwhile(books: Bookkeeping, *said: Any) -> None:
        writing.add(asyncio.create_task(write(books, *said)))
        await asyncio.sleep(0)

    patch.setattr(Bookkeeping, "_write", meanwhile)


def messages_are_acknowledged_before_the_work(patch: pytest.MonkeyPatch) -> None:
    handle = StageRunner.handle

    async def hasty(runner: StageRunner, delivery: Delivery) -> None:
        await delivery.ack()
        await handle(runner, delivery)

    patch.setattr(StageRunner, "handle", hasty)


def reports_are_believed_whatever_run_is_open(patch: pytest.MonkeyPatch) -> None:
    def gullible(post: Post, command: StageCommand, now: datetime) -> list[AnyFlow]:
        return report(replace(post, active=Active(command.run, command.stage)), command, now)

    patch.setattr(rules, "report", gullible)


def commands_are_not_recognised_when_they_come_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rules, "answered", lambda *_: False)


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (open_attempts_are_not_ended_first, "an_attempt_follows_the_end_of_the_one_before"),
        (claims_expect_nothing_of_the_flow, "no_claim_is_stored_for_a_run_that_is_not_open"),
        (answers_are_used_while_they_are_being_settled, "every_attempt_ends"),
        (messages_are_acknowledged_before_the_work, "nothing_hangs"),
        (reports_are_believed_whatever_run_is_open, "a_run_ends_once"),
        (commands_are_not_recognised_when_they_come_again, "a_wish_is_carried_out_once"),
    ],
)
def test_a_core_without_one_precaution_is_caught(
    broken: Callable[[pytest.MonkeyPatch], None], law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    for seed in range(LIVES):
        if any(found.startswith(f"{law}: ") for found in told(seed)[1]):
            return
    pytest.fail(f"no law noticed in {LIVES} lives that {broken.__name__}")
