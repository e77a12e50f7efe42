"""A pause takes effect at the next boundary; resuming goes on with the whole run, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.domain.values import Stage
from shared.errors import Rejected
from shared.testing import LATER, after
from shared.testing.vocabulary import (
    approve,
    approved,
    cancel,
    cancelled,
    complete,
    completed,
    create,
    defer,
    fail,
    failed,
    pause,
    paused,
    pipeline_completed,
    press,
    reject,
    rejected,
    requested,
    resume,
    resumed,
    review,
    reviewed,
    run,
    run_all,
    start,
    started,
    wake,
)

if TYPE_CHECKING:
    from shared.domain.commands import AnyCommand

RESEARCH, OUTLINE = Stage.RESEARCH, Stage.OUTLINE


def test_a_paused_stage_is_finished_and_nothing_follows():
    story = after(create()).when(pause()).then(paused())
    assert story.post.active is not None
    story.when(complete(RESEARCH)).then(completed(RESEARCH))


def test_resuming_goes_on_with_the_whole_run():
    story = (
        after(create(), pause(), complete(RESEARCH))
        .when(resume())
        .then(resumed(), requested(OUTLINE))
    )
    story.when(complete(OUTLINE)).then(completed(OUTLINE), requested(Stage.WRITE))


def test_resuming_before_the_boundary_leaves_no_trace_of_the_pause():
    story = after(create(), pause()).when(resume()).then(resumed())
    story.when(complete(RESEARCH)).then(completed(RESEARCH), requested(OUTLINE))


def test_pausing_twice_is_pausing_once():
    after(create(), pause()).when(pause()).then_nothing()


def test_resuming_what_is_not_paused_changes_nothing():
    after(create()).when(resume()).then_nothing()
    after(*press()).when(resume()).then_nothing()


def test_a_paused_stage_with_a_gate_still_asks_for_its_review():
    after(create(reviewed(RESEARCH)), pause()).when(complete(RESEARCH)).then(
        completed(RESEARCH), review(RESEARCH)
    )


def test_an_approval_on_a_paused_post_counts_and_starts_nothing():
    story = (
        after(create(reviewed(RESEARCH)), complete(RESEARCH), pause())
        .when(approve())
        .then(approved(RESEARCH))
    )
    story.when(resume()).then(resumed(), requested(OUTLINE))


def test_resuming_a_post_that_waits_for_a_person_leaves_the_review_open():
    story = (
        after(create(reviewed(RESEARCH)), complete(RESEARCH), pause())
        .when(resume())
        .then(resumed())
    )
    assert story.post.review is not None
    story.when(approve()).then(approved(RESEARCH), requested(OUTLINE))


def test_a_rejection_on_a_paused_post_keeps_its_note_until_the_resume():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH), pause()).when(reject("shorter"))
    story.then(rejected(RESEARCH, "shorter")).when(resume()).then(
        resumed(), requested(RESEARCH, note="shorter")
    )


def test_a_rejection_on_a_paused_post_keeps_its_note_when_the_pipeline_is_started_instead():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH), pause(), reject("shorter"))
    assert story.when(start()).then_something().facts[-1] == requested(RESEARCH, note="shorter")


def test_a_note_for_one_stage_is_not_told_to_another():
    story = after(create(reviewed(OUTLINE)), complete(RESEARCH), complete(OUTLINE), pause())
    story = story.when(reject("shorter")).then_something()
    assert story.when(run(RESEARCH)).then_something().facts[-1] == requested(RESEARCH, alone=True)


def test_a_deferred_stage_sleeps_on_while_paused():
    story = after(create(), defer(RESEARCH), pause())
    story.when(wake(), at=LATER).then_nothing()
    story = story.when(resume()).then(resumed())
    story.when(wake(), at=LATER).then(requested(RESEARCH, resumes=3, at=LATER))


def test_the_last_stage_of_a_paused_post_completes_the_pipeline_on_resume():
    story = after(*press(Stage.IMAGES), pause()).when(complete(Stage.READY))
    story.then(completed(Stage.READY)).when(resume()).then(resumed(), pipeline_completed())


def test_a_paused_stage_that_fails_has_failed():
    after(create(), pause()).when(fail(RESEARCH)).then(failed(RESEARCH)).when(start()).then(
        resumed(), started(), requested(RESEARCH, resumes=3)
    )


def test_resuming_a_failed_post_leaves_the_retry_to_a_person():
    story = after(create(), pause(), fail(RESEARCH)).when(resume()).then(resumed())
    assert story.post.stages[RESEARCH].status == "failed"


def test_nothing_under_way_cannot_be_paused():
    after(create(start=False)).when(pause()).then_refused(Rejected, "paused")
    after(*press()).when(pause()).then_refused(Rejected, "paused")


def test_a_paused_post_can_be_cancelled_and_is_then_paused_no_longer():
    story = after(create(), pause(), complete(RESEARCH)).when(cancel()).then(cancelled())
    assert not story.post.paused
    story.when(resume()).then_nothing()


def test_starting_a_paused_pipeline_resumes_it():
    after(create(), pause()).when(start()).then(resumed())
    facts = after(create(), pause(), complete(RESEARCH)).when(start()).then_something().facts
    assert facts[-1] == requested(OUTLINE)
    assert resumed() in facts


def test_a_stage_run_alone_meanwhile_does_not_lose_what_was_paused():
    story = after(create(), pause(), complete(RESEARCH), run(RESEARCH), complete(RESEARCH, "again"))
    assert story.when(resume()).then_something().facts[-1] == requested(OUTLINE)


@pytest.mark.parametrize("asked", [start(), run_all()], ids=["start", "run-all"])
def test_a_paused_post_whose_last_stage_is_done_is_completed_by_a_start(asked: AnyCommand):
    story = after(*press(Stage.IMAGES), pause(), complete(Stage.READY)).when(asked)
    assert story.then_something().post.completed_at is not None
