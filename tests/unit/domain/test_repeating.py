"""A command is decided once: its repetition changes nothing, its id stands for nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain import commands as c
from shared.domain.decide import answered
from shared.domain.values import Stage
from shared.errors import CommandReused, StaleDecision
from shared.testing import CONFIG, OTHER, POST, Given, after, given
from shared.testing.vocabulary import (
    approve,
    by,
    cancel,
    complete,
    create,
    delete,
    edit,
    fail,
    pause,
    press,
    reject,
    restart,
    resume,
    reviewed,
    run,
    run_all,
    start,
)

RESEARCH, OUTLINE = Stage.RESEARCH, Stage.OUTLINE
IN_REVIEW = after(create(reviewed(RESEARCH)), complete(RESEARCH))
OBEYED = [
    (given(), create()),
    (given(), c.ForkPost(post_id=POST, parent=OTHER, origin=2, config=CONFIG)),
    (after(create()), c.ConfigurePost(post_id=POST, gates=reviewed(OUTLINE))),
    (after(create(), fail(RESEARCH)), start()),
    (IN_REVIEW, run_all()),
    (after(*press()), run(OUTLINE)),
    (after(create()), restart()),
    (IN_REVIEW, approve()),
    (IN_REVIEW, reject("shorter")),
    (after(*press()), edit(OUTLINE, "mine")),
    (after(create()), pause()),
    (after(create(), pause(), complete(RESEARCH)), resume()),
    (after(create()), cancel()),
    (after(create()), delete()),
]
obeyed = pytest.mark.parametrize(
    ("story", "command"), OBEYED, ids=[type(command).__name__ for _, command in OBEYED]
)


@obeyed
def test_a_command_repeated_changes_nothing(story: Given, command: c.AnyCommand):
    signed = replace(command, by=by("once"))
    once = story.when(signed).then_something()
    assert once.history != story.history
    once.when(signed).then_nothing()


@obeyed
def test_a_command_is_answered_even_after_others_were_given(story: Given, command: c.AnyCommand):
    signed = replace(command, by=by("once"))
    later = story.when(signed).then_something().when(delete())
    gone = later.then_something() if later.refusal is None else story.when(signed).then_something()
    gone.when(signed).then_nothing()


@obeyed
def test_an_id_stands_for_one_command(story: Given, command: c.AnyCommand):
    once = story.when(replace(command, by=by("once"))).then_something()
    once.when(replace(command, by=by("once", "another"))).then_refused(CommandReused)
    assert answered(once.post, replace(command, by=by("another"))) is False


@obeyed
def test_the_history_tells_where_the_answer_to_a_command_stands(
    story: Given, command: c.AnyCommand
):
    once = story.when(replace(command, by=by("once"))).then_something()
    answer = once.post.commands[by("once").id]
    new = once.history[len(story.history) :]
    assert (answer.first, answer.facts) == (new[0].seq, len(new))


def test_a_command_without_an_id_is_never_taken_for_another():
    assert not answered(after(create(by=by("creation"))).post, start())


def test_a_refused_command_leaves_its_id_free():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH))
    story.when(approve(review=3, by=by("once"))).then_refused(StaleDecision)
    story.when(approve(by=by("once", "another"))).then_something()


def test_two_people_approving_at_once_approve_once():
    story = IN_REVIEW.when(approve(review=5, by=by("ann"))).then_something()
    assert story.when(approve(review=5, by=by("bob"))).refusal is not None
    assert story.when(approve(review=5, by=by("ann"))).decided == ()
