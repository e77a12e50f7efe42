"""Changing a post: fields, gates and texts become facts together, or none of them does."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.evolve import fold
from shared.domain.values import Deadline, GateMode, GateTerms, Stage
from shared.errors import CommandReused, GateForbidsEdit, NoSuchPost, Rejected, StageRunning
from shared.testing import CONFIG, LATER, NOW, POST, Given, after, given
from shared.testing.vocabulary import (
    approve,
    by,
    complete,
    create,
    delete,
    expire,
    press,
    reviewed,
)

RESEARCH, OUTLINE = Stage.RESEARCH, Stage.OUTLINE


def change(**asked: object) -> c.ChangePost:
    return c.ChangePost(post_id=POST, actor="mia", **asked)  # type: ignore[arg-type]


def test_fields_gates_and_texts_become_facts_in_this_order():
    command = change(
        fields={"niche": "cats"},
        gates={Stage.EDIT: GateMode.REVIEW},
        texts={OUTLINE: "o", RESEARCH: "r"},
    )
    configured, first, second = after(*press()).when(command).then_something().facts[-3:]
    assert isinstance(configured, e.PostConfigured)
    assert configured.config == CONFIG.model_copy(update={"niche": "cats"})
    assert configured.gates == {Stage.EDIT: GateMode.REVIEW}
    assert [getattr(fact, "output", None) for fact in (first, second)] == ["r", "o"]
    assert [getattr(fact, "actor", None) for fact in (first, second)] == ["mia", "mia"]


def test_two_people_who_change_different_fields_both_do():
    story = after(create())
    stale = change(fields={"tone": "dry"})
    changed = story.when(change(fields={"niche": "cats"})).then_something()
    config = fold(Given(changed.history).when(stale).then_something().history).config
    assert config is not None
    assert (config.niche, config.tone) == ("cats", "dry")


def test_lists_of_a_field_become_part_of_the_order():
    story = after(create()).when(change(fields={"related_keywords": ["a", "b"]})).then_something()
    config = fold(story.history).config
    assert config is not None
    assert config.related_keywords == ("a", "b")


def test_what_is_as_it_was_changes_nothing():
    story = after(create(), complete(RESEARCH))
    story.when(change()).then_nothing()
    story.when(
        change(fields={"niche": CONFIG.niche}, gates={OUTLINE: GateMode.AUTO})
    ).then_nothing()


def test_a_text_that_may_not_be_edited_forbids_everything():
    gated = after(create({RESEARCH: GateMode.APPROVE_ONLY}), complete(RESEARCH))
    command = change(fields={"niche": "cats"}, texts={RESEARCH: "mine"})
    gated.when(command).then_refused(GateForbidsEdit)
    after(create()).when(command).then_refused(StageRunning)
    unmade = change(fields={"niche": "cats"}, texts={OUTLINE: "mine"})
    after(create()).when(unmade).then_refused(Rejected, "no output")


def test_a_review_may_be_edited_while_it_waits():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH))
    *_, edited = story.when(change(texts={RESEARCH: "mine"})).then_something().facts
    assert isinstance(edited, e.ContentEdited)


def test_a_change_asked_twice_is_made_once():
    asked = c.ChangePost(post_id=POST, actor="mia", fields={"niche": "cats"}, by=by("k"))
    story = after(create(), asked)
    story.when(asked).then_nothing()
    other = c.ChangePost(post_id=POST, actor="mia", fields={"niche": "x"}, by=by("k", "other"))
    story.when(other).then_refused(CommandReused)


# --- the terms of gates -------------------------------------------------------------------------

MINUTE, HOURS_2 = 60, 2 * 3600


def waiting(**gate: object) -> Given:
    """A review that was opened NOW."""
    return after(create(reviewed(RESEARCH, OUTLINE), **gate), complete(RESEARCH))  # type: ignore[arg-type]


def deadline_of(story: Given) -> Deadline | None:
    assert story.post.review is not None
    return story.post.review.deadline


def test_changed_terms_hold_for_the_reviews_that_follow():
    story = after(create(reviewed(RESEARCH)), change(terms={"deadline_s": MINUTE}))
    story = story.when(complete(RESEARCH), at=LATER).then_something()
    due = LATER + timedelta(seconds=MINUTE)
    assert deadline_of(story) == Deadline(at=due, outcome="cancel")


@pytest.mark.parametrize("before", [None, MINUTE])
def test_the_deadline_of_an_open_review_still_counts_from_when_it_was_opened(before: int | None):
    asked = change(terms={"deadline_s": HOURS_2, "outcome": "approve"})
    story = waiting(deadline_s=before).when(asked, at=LATER).then_something()
    assert deadline_of(story) == Deadline(at=NOW + timedelta(seconds=HOURS_2), outcome="approve")
    *_, configured = story.facts
    assert isinstance(configured, e.PostConfigured)
    assert configured.terms == GateTerms(deadline_s=HOURS_2, outcome="approve")
    assert configured.config is None


def test_a_deadline_that_was_taken_away_never_comes():
    story = waiting(deadline_s=MINUTE).when(change(terms={"deadline_s": None})).then_something()
    assert deadline_of(story) is None
    story.when(expire(), at=LATER).then_nothing()


def test_a_deadline_that_was_put_off_comes_later():
    story = waiting(deadline_s=MINUTE).when(change(terms={"deadline_s": HOURS_2})).then_something()
    story.when(expire(), at=LATER).then_nothing()
    assert story.when(expire(), at=NOW + timedelta(seconds=HOURS_2)).decided


def test_a_deadline_shortened_to_a_time_gone_by_is_carried_out_at_the_next_look():
    story = waiting(outcome="approve").when(change(terms={"deadline_s": MINUTE}), at=LATER)
    *_, expired, requested = story.then_something().when(expire(), at=LATER).then_something().facts
    assert isinstance(expired, e.GateExpired)
    assert isinstance(requested, e.StageRequested)


def test_of_the_terms_only_what_is_named_changes():
    story = waiting(deadline_s=MINUTE).when(change(terms={"outcome": "approve"})).then_something()
    due = NOW + timedelta(seconds=MINUTE)
    assert deadline_of(story) == Deadline(at=due, outcome="approve")
    assert story.post.terms == GateTerms(deadline_s=MINUTE, outcome="approve")


def test_the_same_terms_again_change_nothing():
    waiting(deadline_s=MINUTE).when(
        change(terms={"deadline_s": MINUTE, "outcome": "cancel"})
    ).then_nothing()


def test_the_outcome_alone_gives_no_review_a_deadline():
    story = waiting().when(change(terms={"outcome": "approve"})).then_something()
    assert deadline_of(story) is None


def test_a_review_that_was_answered_leaves_the_terms_to_the_next_one():
    story = waiting(deadline_s=MINUTE).when(approve()).then_something()
    story = story.when(change(terms={"deadline_s": HOURS_2}), at=LATER).then_something()
    assert story.post.review is None
    story = story.when(complete(OUTLINE), at=LATER).then_something()
    assert deadline_of(story) == Deadline(at=LATER + timedelta(seconds=HOURS_2), outcome="cancel")


def test_terms_and_a_text_that_may_not_be_edited_are_refused_together():
    gated = after(create({RESEARCH: GateMode.APPROVE_ONLY}), complete(RESEARCH))
    command = change(terms={"deadline_s": MINUTE}, texts={RESEARCH: "mine"})
    gated.when(command).then_refused(GateForbidsEdit)


@pytest.mark.parametrize("story", [given(), after(create(), delete())], ids=["unknown", "deleted"])
def test_who_is_not_there_is_not_changed(story: Given):
    story.when(change(fields={"niche": "cats"})).then_refused(NoSuchPost)
