"""Where a post stands, in one word a person knows, in every state it can be in."""

from __future__ import annotations

import pytest

from shared.domain.status import CONTENT_FIELDS, current_stage, waits_for
from shared.domain.values import Stage
from shared.testing import LATER, Given, after, given
from shared.testing.vocabulary import (
    approve,
    cancel,
    complete,
    create,
    defer,
    delete,
    deleted,
    edit,
    exceed,
    expire,
    fail,
    pause,
    press,
    restart,
    resume,
    reviewed,
    run,
    start,
    wake,
)

RESEARCH, OUTLINE = Stage.RESEARCH, Stage.OUTLINE
IN_REVIEW = after(create(reviewed(RESEARCH)), complete(RESEARCH))
EXPIRED = after(create(reviewed(RESEARCH), deadline_s=1), complete(RESEARCH)).when(
    expire(), at=LATER
)
WOKEN = after(create(), defer(RESEARCH)).when(wake(), at=LATER)
STATES: dict[str, tuple[Given, str, str]] = {
    "unknown": (given(), "pending", ""),
    "created": (after(create(start=False)), "pending", ""),
    "running": (after(create()), "research", "worker"),
    "running the next": (after(*press(RESEARCH)), "outline", "worker"),
    "running, pause asked for": (after(create(), pause()), "research", "worker"),
    "paused": (after(create(), pause(), complete(RESEARCH)), "paused", ""),
    "resumed": (after(create(), pause(), complete(RESEARCH), resume()), "outline", "worker"),
    "in review": (IN_REVIEW, "research", "person"),
    "in review and paused": (IN_REVIEW.when(pause()).then_something(), "paused", "person"),
    "approved": (IN_REVIEW.when(approve()).then_something(), "outline", "worker"),
    "deferred": (after(create(), defer(RESEARCH)), "research", "time"),
    "deferred and paused": (after(create(), defer(RESEARCH), pause()), "paused", "time"),
    "woken": (WOKEN.then_something(), "research", "worker"),
    "out of budget": (after(create(), exceed(RESEARCH)), "research", "budget"),
    "failed": (after(create(), fail(RESEARCH)), "failed", ""),
    "retried": (after(create(), fail(RESEARCH), start()), "research", "worker"),
    "cancelled": (after(create(), cancel()), "cancelled", ""),
    "cancelled, started again": (after(create(), cancel(), start()), "research", "worker"),
    "cancelled in review": (IN_REVIEW.when(cancel()).then_something(), "cancelled", ""),
    "expired": (EXPIRED.then_something(), "cancelled", ""),
    "complete": (after(*press()), "complete", ""),
    "complete, then edited": (after(*press(), edit(OUTLINE, "mine")), "complete", ""),
    "rerun": (after(*press(), run(OUTLINE)), "outline", "worker"),
    "rerun failed": (after(*press(), run(OUTLINE), fail(OUTLINE)), "failed", ""),
    "restarted": (after(*press(), restart()), "research", "worker"),
    "deleted": (after(*press(), delete()), "deleted", ""),
    "only the tombstone is left": (given(deleted()), "deleted", ""),
}


@pytest.mark.parametrize(("story", "word", "mover"), STATES.values(), ids=STATES.keys())
def test_every_state_has_its_word(story: Given, word: str, mover: str):
    assert (current_stage(story.post), waits_for(story.post)) == (word, mover)


def test_every_stage_has_a_content_field_of_its_own():
    assert list(CONTENT_FIELDS) == list(Stage)
    assert len(set(CONTENT_FIELDS.values())) == len(Stage)


@pytest.mark.parametrize(
    ("story", "status"),
    [
        (after(create(start=False)), "pending"),
        (after(create()), "running"),
        (after(create(), defer(RESEARCH)), "waiting"),
        (after(create(), exceed(RESEARCH)), "waiting"),
        (IN_REVIEW, "review"),
        (after(create(), fail(RESEARCH)), "failed"),
        (after(*press(RESEARCH)), "complete"),
        (after(create(), cancel()), "pending"),
        (after(create(), defer(RESEARCH), cancel()), "pending"),
        (IN_REVIEW.when(approve()).then_something(), "complete"),
        (IN_REVIEW.when(cancel()).then_something(), "complete"),
    ],
)
def test_a_stage_says_how_it_stands(story: Given, status: str):
    assert story.post.stages[RESEARCH].status == status
