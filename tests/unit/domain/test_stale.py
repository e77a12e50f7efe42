"""What was made from an output that has changed since is stale until it is made anew."""

from __future__ import annotations

from shared.domain.values import Stage
from shared.errors import Rejected, StageRunning
from shared.testing import Given, after
from shared.testing.vocabulary import (
    approve,
    cancel,
    complete,
    create,
    defer,
    edit,
    edited,
    fail,
    press,
    restart,
    reviewed,
    run,
    start,
)

RESEARCH, OUTLINE, WRITE, EDIT = Stage.RESEARCH, Stage.OUTLINE, Stage.WRITE, Stage.EDIT


def stale(story: Given) -> list[Stage]:
    return [stage for stage, state in story.post.stages.items() if state.stale]


def test_a_clean_run_leaves_nothing_stale():
    assert stale(after(*press())) == []


def test_a_rerun_makes_everything_after_it_stale():
    assert stale(after(*press(), run(WRITE), complete(WRITE))) == [EDIT, Stage.IMAGES, Stage.READY]


def test_a_rerun_that_has_not_ended_has_changed_nothing_yet():
    assert stale(after(*press(), run(WRITE))) == []
    assert stale(after(*press(), run(WRITE), fail(WRITE))) == []


def test_an_edit_makes_everything_after_it_stale():
    story = after(*press()).when(edit(EDIT, "mine")).then(edited(EDIT, "mine"))
    assert stale(story) == [Stage.IMAGES, Stage.READY]


def test_an_edit_that_changes_nothing_is_no_fact():
    after(*press(), edit(EDIT, "mine")).when(edit(EDIT, "mine")).then_nothing()


def test_an_edited_approval_makes_what_was_there_before_stale():
    story = after(
        create(reviewed(RESEARCH)),
        complete(RESEARCH),
        approve(),
        complete(OUTLINE),
        fail(WRITE),
        run(RESEARCH),
        complete(RESEARCH),
    )
    assert stale(story.when(approve("mine")).then_something()) == [OUTLINE]


def test_a_stage_completed_on_input_edited_meanwhile_is_stale():
    story = after(*press(RESEARCH), edit(RESEARCH, "mine"), complete(OUTLINE))
    assert stale(story) == [OUTLINE]
    assert not story.post.done(OUTLINE)


def test_an_edit_before_the_request_makes_nothing_stale():
    assert (
        stale(
            after(
                *press(RESEARCH), fail(OUTLINE), edit(RESEARCH, "mine"), start(), complete(OUTLINE)
            )
        )
        == []
    )


def test_an_edit_during_a_rerun_of_a_complete_stage_leaves_it_stale():
    assert OUTLINE in stale(
        after(*press(), run(OUTLINE), edit(RESEARCH, "mine"), complete(OUTLINE))
    )


def test_what_is_made_anew_is_stale_no_longer_and_what_follows_it_is():
    story = after(*press(), edit(RESEARCH, "mine"), run(OUTLINE), complete(OUTLINE))
    assert stale(story) == [WRITE, EDIT, Stage.IMAGES, Stage.READY]


def test_a_cascade_leaves_nothing_stale():
    story = after(*press(), edit(RESEARCH, "mine"), run(OUTLINE, cascade=True))
    for stage in list(Stage)[1:]:
        story = story.when(complete(stage, "anew")).then_something()
    assert stale(story) == []
    assert story.post.completed_at is not None


def test_starting_begins_with_the_first_stale_stage():
    story = after(*press(), edit(OUTLINE, "mine")).when(start()).then_something()
    assert story.post.active is not None
    assert story.post.active.stage is WRITE


def test_a_restart_leaves_nothing_stale():
    assert stale(after(*press(), edit(RESEARCH, "mine"), restart())) == []


def test_a_stage_at_work_cannot_be_edited():
    after(*press(), run(OUTLINE)).when(edit(OUTLINE, "mine")).then_refused(StageRunning)
    after(*press(), run(OUTLINE), defer(OUTLINE)).when(edit(OUTLINE, "mine")).then_refused(
        StageRunning
    )


def test_another_stage_can_be_edited_meanwhile():
    after(*press(), run(OUTLINE)).when(edit(RESEARCH, "mine")).then(edited(RESEARCH, "mine"))
    after(*press(), run(OUTLINE), cancel()).when(edit(OUTLINE, "mine")).then(
        edited(OUTLINE, "mine")
    )


def test_a_stage_without_output_cannot_be_edited():
    after(create()).when(edit(WRITE, "mine")).then_refused(Rejected, "no output")
