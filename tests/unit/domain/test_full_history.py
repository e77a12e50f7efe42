"""From 900 facts on a post can only come to an end, so that it never holds more than 1,000."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain import commands as c
from shared.domain.evolve import fold
from shared.domain.rules.steps import NEARLY_FULL
from shared.domain.values import GateMode, Stage
from shared.errors import HistoryFull
from shared.testing import CONFIG, OTHER, POST, Given, after, numbered
from shared.testing.histories import Move, Played, gates, law, moves
from shared.testing.vocabulary import (
    approve,
    cancel,
    complete,
    configured,
    create,
    defer,
    delete,
    edit,
    exceed,
    failed,
    pause,
    paused,
    press,
    reject,
    restart,
    resume,
    resumed,
    reviewed,
    run,
    run_all,
    start,
)

if TYPE_CHECKING:
    from shared.domain.events import AnyFlow

RESEARCH = Stage.RESEARCH


def grown(story: Given, facts: int = NEARLY_FULL) -> Given:
    """The same post after so many facts that changed nothing in the end."""
    missing = facts - len(story.history)
    filler: list[AnyFlow] = []
    filler += [paused(), resumed()] * (missing // 2)
    filler += [configured()] * (missing % 2)
    return story.and_then(*filler)


@pytest.mark.parametrize(
    "command",
    [
        start(),
        run_all(),
        run(RESEARCH),
        restart(),
        reject(),
        edit(RESEARCH, "mine"),
        pause(),
        c.ConfigurePost(post_id=POST, gates=reviewed()),
    ],
    ids=lambda command: type(command).__name__,
)
def test_a_full_history_takes_nothing_that_makes_it_longer(command: c.AnyCommand):
    grown(after(create(reviewed(RESEARCH)), complete(RESEARCH))).when(command).then_refused(
        HistoryFull, "900"
    )


def test_one_fact_earlier_everything_is_still_accepted():
    grown(after(create(reviewed(RESEARCH)), complete(RESEARCH)), NEARLY_FULL - 1).when(
        reject()
    ).then_something()


@pytest.mark.parametrize("command", [approve(), approve("mine"), cancel(), delete()])
def test_a_full_history_takes_an_ending(command: c.AnyCommand):
    grown(after(create(reviewed(RESEARCH)), complete(RESEARCH))).when(command).then_something()


def test_a_full_history_still_runs_to_its_end():
    story = grown(after(create()))
    for stage in Stage:
        story = story.when(complete(stage)).then_something()
    assert story.post.completed_at is not None


def test_a_paused_post_with_a_full_history_can_be_resumed():
    story = grown(after(create()), NEARLY_FULL - 1).when(pause()).then_something()
    story.when(resume()).then(resumed())


@pytest.mark.parametrize("report", [defer(RESEARCH), exceed(RESEARCH)])
def test_a_stage_that_has_to_wait_with_a_full_history_fails(report: c.AnyCommand):
    story = grown(after(create())).when(report)
    *_, last = story.then_something().facts
    assert last.type == "stage-failed"
    assert last.code == "history_full"


def test_a_post_with_a_full_history_can_be_forked():
    fork = c.ForkPost(post_id=OTHER, parent=POST, origin=NEARLY_FULL, config=CONFIG)
    assert len(Given().when(fork).decided) == 2


def test_a_thousand_facts_fold():
    story = grown(after(*press()), 1000)
    assert story.post.n == 1000
    assert story.post.completed_at is not None
    assert fold(numbered([failed(RESEARCH, run=3)] * 1000)).n == 1000


@settings(law, max_examples=25)
@given(gates, st.sampled_from(["complete", "defer", "pause"]), st.lists(moves, max_size=80))
def test_no_post_ever_holds_more_than_a_thousand_facts(
    chosen: dict[Stage, GateMode], before: str, then: list[Move]
):
    story = grown(after(create(chosen, start=False), start()), NEARLY_FULL - 1)
    played = Played((), story.history, story.post).make(Move(before))  # type: ignore[arg-type]
    for move in then:
        played = played.make(move)
    assert played.post.n <= 1000
