"""What failed, was cancelled or had to wait goes on where it was; nothing settled is paid again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain import commands as c
from shared.domain.values import Stage
from shared.errors import Rejected
from shared.testing import LATER, NOW, POST, Given, after, given
from shared.testing.vocabulary import (
    cancel,
    cancelled,
    complete,
    completed,
    create,
    created,
    defer,
    deferred,
    exceed,
    fail,
    failed,
    out_of_budget,
    pause,
    press,
    reject,
    requested,
    restart,
    reviewed,
    run,
    start,
    started,
    wake,
)

RESEARCH, OUTLINE = Stage.RESEARCH, Stage.OUTLINE


def rerun_with_a_note(how_it_ended: c.AnyCommand) -> Given:
    return after(create(reviewed(RESEARCH)), complete(RESEARCH), reject("shorter"), how_it_ended)


# --- failing ----------------------------------------------------------------------------------


def test_a_failed_stage_stops_the_run_and_is_parked():
    story = after(create()).when(fail(RESEARCH, call="draft")).then(failed(RESEARCH, call="draft"))
    state = story.post.stages[RESEARCH]
    assert state.failure is not None
    assert (state.failure.code, state.failure.message) == ("bad_key", "it failed")
    assert (state.status, story.post.active, story.post.next) == ("failed", None, None)


@pytest.mark.parametrize("again", [start(), run(RESEARCH, cascade=True)], ids=["start", "run"])
def test_a_retry_of_a_failed_stage_resumes_its_run(again: c.AnyCommand):
    story = (
        after(create(), fail(RESEARCH)).when(again).then(started(), requested(RESEARCH, resumes=3))
    )
    assert story.post.stages[RESEARCH].failure is None
    story.when(complete(RESEARCH)).then(completed(RESEARCH), requested(OUTLINE))


def test_a_retry_of_a_cancelled_stage_resumes_its_run():
    after(create(), cancel()).when(start()).then(started(), requested(RESEARCH, resumes=3))


def test_a_retry_of_a_retry_resumes_the_later_run():
    story = after(create(), fail(RESEARCH), start(), fail(RESEARCH))
    story.when(start()).then(started(), requested(RESEARCH, resumes=6))


def test_a_failed_rerun_keeps_the_output_it_had():
    story = after(*press(), run(OUTLINE), fail(OUTLINE))
    assert story.post.stages[OUTLINE].output is not None
    assert not story.post.done(OUTLINE)


def test_a_run_that_a_newer_request_replaced_is_resumed():
    """No command leads there; but what is in the log is read all the same."""
    story = given(created(), started(), requested(RESEARCH), started(OUTLINE), requested(OUTLINE))
    assert story.post.stages[RESEARCH].ended == "superseded"
    story.when(fail(OUTLINE)).then_something().when(start()).then(
        started(), requested(RESEARCH, resumes=3)
    )


def test_nothing_is_resumed_across_a_restart():
    *_, request = after(create(), fail(RESEARCH), restart()).facts
    assert request == requested(RESEARCH)


# --- cancelling -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "story",
    [
        after(create()),
        after(create(), defer(RESEARCH)),
        after(create(), exceed(RESEARCH)),
        after(create(reviewed(RESEARCH)), complete(RESEARCH)),
        after(create(), pause(), complete(RESEARCH)),
        after(create(reviewed(RESEARCH)), complete(RESEARCH), pause(), reject()),
    ],
    ids=["running", "deferred", "out of budget", "review", "paused", "rejected while paused"],
)
def test_whatever_is_under_way_can_be_cancelled(story: Given):
    ended = story.when(cancel("enough")).then(cancelled("enough")).post
    assert (ended.active, ended.review, ended.held, ended.next) == (None, None, None, None)
    assert not ended.paused


def test_cancelling_twice_is_cancelling_once():
    after(create(), cancel()).when(cancel()).then_nothing()


@pytest.mark.parametrize(
    "story",
    [after(create(start=False)), after(*press()), after(create(), fail(RESEARCH))],
    ids=["pending", "complete", "failed"],
)
def test_nothing_under_way_cannot_be_cancelled(story: Given):
    story.when(cancel()).then_refused(Rejected, "cancelled")


def test_a_report_after_the_cancellation_changes_nothing():
    story = after(create(), cancel())
    story.when(complete(RESEARCH)).then_nothing()
    story.when(fail(RESEARCH)).then_nothing()


def test_a_rerun_that_was_cancelled_leaves_its_stage_complete():
    story = after(*press(), run(OUTLINE), cancel())
    assert story.post.stages[OUTLINE].status == "complete"
    assert story.post.done(OUTLINE)


# --- waiting ----------------------------------------------------------------------------------


def test_a_deferred_stage_gives_up_its_worker_until_it_is_due():
    story = after(create()).when(defer(RESEARCH)).then(deferred(RESEARCH))
    assert story.post.active is None
    story.when(wake(), at=LATER - timedelta(seconds=1)).then_nothing()
    story.when(wake(), at=LATER).then(requested(RESEARCH, resumes=3, at=LATER))


def test_a_stage_without_budget_goes_on_when_it_is_woken():
    story = after(create()).when(exceed(RESEARCH)).then(out_of_budget(RESEARCH))
    story.when(wake(), at=NOW).then_nothing()
    story = story.when(wake(), at=LATER).then(requested(RESEARCH, resumes=3, at=LATER))
    story.when(complete(RESEARCH)).then(completed(RESEARCH), requested(OUTLINE))


def test_a_stage_that_is_woken_in_vain_sleeps_longer_each_time_up_to_a_minute():
    story, slept = after(create()), []
    at = NOW
    for _ in range(9):
        story = story.when(exceed(RESEARCH), at=at).then_something()
        held = story.post.held
        assert held is not None
        assert held.until is not None
        slept.append((held.until - at).total_seconds())
        story, at = story.when(wake(), at=held.until).then_something(), held.until
    assert slept == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_stage_that_was_cancelled_in_its_sleep_begins_again_with_a_short_one():
    story = after(create(), exceed(RESEARCH)).when(wake(), at=LATER).then_something()
    for command in (exceed(RESEARCH), cancel(), start(), exceed(RESEARCH)):
        story = story.when(command).then_something()
    assert story.post.stages[RESEARCH].refused == 1


def test_a_stage_run_alone_is_alone_after_its_sleep():
    story = after(*press(), run(OUTLINE), defer(OUTLINE)).when(wake(), at=LATER).then_something()
    story.when(complete(OUTLINE)).then(completed(OUTLINE))


def test_a_second_alarm_wakes_nobody():
    story = after(create(), defer(RESEARCH)).when(wake(), at=LATER).then_something()
    story.when(c.WakeStage(post_id=POST, run=3), at=LATER).then_nothing()


def test_an_alarm_for_an_earlier_sleep_wakes_nobody():
    story = after(create(), exceed(RESEARCH)).when(wake(), at=LATER).then_something()
    story = story.when(exceed(RESEARCH)).then_something()
    story.when(c.WakeStage(post_id=POST, run=3), at=LATER).then_nothing()
    woken = story.when(c.WakeStage(post_id=POST, run=5), at=LATER)
    woken.then(requested(RESEARCH, resumes=5, at=LATER))


def test_an_alarm_for_a_run_that_was_cancelled_wakes_nobody():
    after(create(), defer(RESEARCH), cancel()).when(wake(), at=LATER).then_nothing()


@pytest.mark.parametrize(
    ("ended", "again"),
    [
        (defer(RESEARCH), wake()),
        (exceed(RESEARCH), wake()),
        (fail(RESEARCH), start()),
        (cancel(), start()),
    ],
    ids=["deferred", "out of budget", "failed", "cancelled"],
)
def test_a_reviewer_s_note_outlives_the_run_that_could_not_follow_it(
    ended: c.AnyCommand, again: c.AnyCommand
):
    *_, request = rerun_with_a_note(ended).when(again, at=LATER).then_something().facts
    assert request == requested(RESEARCH, note="shorter", resumes=7, at=LATER)


def test_a_note_is_spent_once_the_stage_has_followed_it():
    story = rerun_with_a_note(complete(RESEARCH)).when(c.RejectStage(post_id=POST, actor="ann"))
    assert story.then_something().facts[-1] == requested(RESEARCH)
    *_, request = rerun_with_a_note(complete(RESEARCH)).when(run(RESEARCH)).then_something().facts
    assert request == requested(RESEARCH, alone=True)
