"""A deleted post keeps what it cost and nothing of what it said, and nothing brings it back."""

from __future__ import annotations

import pytest

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.evolve import fold
from shared.domain.post import Post
from shared.domain.values import Stage
from shared.errors import CommandReused, NoSuchPost, Rejected
from shared.testing import CONFIG, NOW, OTHER, POST, Given, after, given
from shared.testing.vocabulary import (
    by,
    cancel,
    complete,
    create,
    defer,
    delete,
    deleted,
    fail,
    pause,
    press,
    reviewed,
    run,
    start,
)

RESEARCH = Stage.RESEARCH
SPENT = e.Spent(day="2026-01-01", stage=RESEARCH, model="a-model", calls=2, cost_usd=0.5)
CALL = e.CallName(stage=RESEARCH, run=3, key="draft", attempt=1)


@pytest.mark.parametrize(
    "story",
    [
        after(create(start=False)),
        after(create()),
        after(create(), defer(RESEARCH)),
        after(create(reviewed(RESEARCH)), complete(RESEARCH)),
        after(create(), pause(), complete(RESEARCH)),
        after(create(), fail(RESEARCH)),
        after(create(), cancel()),
        after(*press()),
    ],
    ids=["pending", "running", "held", "review", "paused", "failed", "cancelled", "complete"],
)
def test_a_post_can_be_deleted_in_any_state(story: Given):
    gone = story.when(delete()).then(deleted()).post
    assert gone == Post(
        id=POST, n=len(story.history) + 1, last=gone.last, deleted=True, updated_at=NOW
    )


def test_the_closing_ledger_stays():
    profile = CONFIG.model_copy(update={"profile_id": OTHER})
    story = after(c.CreatePost(post_id=POST, config=profile))
    command = c.DeletePost(post_id=POST, spent=(SPENT,), counted=(CALL,), open=(CALL,))
    *_, tombstone = story.when(command).then_something().facts
    assert tombstone == e.PostDeleted(
        post_id=POST, at=NOW, profile_id=OTHER, spent=(SPENT,), counted=(CALL,), open=(CALL,)
    )


def test_nothing_can_be_asked_of_a_deleted_post():
    story = after(create(), delete())
    for command in (start(), run(RESEARCH), pause(), cancel(), delete()):
        story.when(command).then_refused(NoSuchPost)


def test_a_report_about_a_deleted_post_changes_nothing():
    after(create(), delete()).when(complete(RESEARCH)).then_nothing()


def test_a_deleted_post_is_not_created_again():
    after(create(), delete()).when(create()).then_refused(Rejected, "exists already")


def test_a_history_may_begin_with_the_deletion():
    post = given(deleted()).post
    assert (post.id, post.deleted, post.n) == (POST, True, 1)
    given(deleted()).when(create()).then_refused(Rejected, "exists already")
    given(deleted()).when(start()).then_refused(NoSuchPost)


def test_the_tombstone_answers_the_deletion_repeated():
    purged = after(create(), delete(by=by("deletion"))).history[-1:]
    assert fold(purged).deleted
    Given(purged).when(delete(by=by("deletion"))).then_nothing()
    Given(purged).when(delete(by=by("deletion", "another"))).then_refused(CommandReused)
