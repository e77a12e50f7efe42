"""Changing a post: fields, gates and texts become facts together, or none of them does."""

from __future__ import annotations

import pytest

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.post import fold
from shared.domain.values import GateMode, Stage
from shared.errors import CommandReused, GateForbidsEdit, NoSuchPost, Rejected, StageRunning
from shared.testing import CONFIG, POST, Given, after, given
from shared.testing.vocabulary import by, complete, create, delete, press, reviewed

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


@pytest.mark.parametrize("story", [given(), after(create(), delete())], ids=["unknown", "deleted"])
def test_who_is_not_there_is_not_changed(story: Given):
    story.when(change(fields={"niche": "cats"})).then_refused(NoSuchPost)
