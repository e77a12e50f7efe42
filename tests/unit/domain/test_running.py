"""Starting, running a stage alone or with what follows, running all: one run at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.values import GateMode, Stage
from shared.errors import MissingInput, Rejected, StageRunning
from shared.testing import LATER, METRICS, NOW, OTHER, POST, after, given
from shared.testing.vocabulary import (
    approve,
    approved,
    cancel,
    complete,
    completed,
    configured,
    create,
    created,
    defer,
    edit,
    exceed,
    fail,
    gated,
    out_of_budget,
    pause,
    pipeline_completed,
    press,
    requested,
    restart,
    restarted,
    resumed,
    review,
    reviewed,
    run,
    run_all,
    start,
    started,
)

RESEARCH, OUTLINE, WRITE = Stage.RESEARCH, Stage.OUTLINE, Stage.WRITE


# --- start and run-all ------------------------------------------------------------------------


def test_starting_runs_the_first_unfinished_stage_and_the_others_follow():
    asked = after(*press(OUTLINE), fail(WRITE)).when(start())
    story = asked.then(started(WRITE), requested(WRITE, resumes=7))
    story.when(complete(WRITE)).then(completed(WRITE), requested(Stage.EDIT))


def test_a_pipeline_under_way_is_not_started_twice():
    after(create()).when(start()).then_nothing()
    after(create(), defer(RESEARCH)).when(start()).then_nothing()


def test_a_pipeline_that_waits_for_a_person_is_not_started_past_the_person():
    after(create(reviewed(RESEARCH)), complete(RESEARCH)).when(start()).then_refused(
        Rejected, "research"
    )


def test_a_complete_pipeline_is_not_started_again():
    after(*press()).when(start()).then_refused(Rejected, "complete")
    after(*press()).when(run_all()).then_refused(Rejected, "complete")


def test_run_all_opens_the_gates_of_unfinished_stages_only():
    story = after(
        create(reviewed(RESEARCH, OUTLINE, Stage.READY)),
        complete(RESEARCH),
        approve(),
        fail(OUTLINE),
    )
    opened = gated(GateMode.AUTO, OUTLINE, Stage.READY)
    story = story.when(run_all()).then(
        configured(opened), started(OUTLINE), requested(OUTLINE, resumes=7)
    )
    assert story.post.gate(RESEARCH) is GateMode.REVIEW


def test_run_all_accepts_the_open_review():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH)).when(run_all())
    story.then(
        configured(gated(GateMode.AUTO, RESEARCH)),
        approved(RESEARCH, note="opened by run-all", actor="run-all"),
        requested(OUTLINE),
    )


def test_run_all_while_running_opens_the_gates_and_starts_nothing():
    asked = after(create(reviewed(RESEARCH, OUTLINE))).when(run_all())
    story = asked.then(configured(gated(GateMode.AUTO, RESEARCH, OUTLINE)))
    story.when(complete(RESEARCH)).then(completed(RESEARCH), requested(OUTLINE))


def test_run_all_again_changes_nothing():
    after(create(reviewed(RESEARCH)), run_all()).when(run_all()).then_nothing()


def test_run_all_resumes_a_paused_post():
    after(create(reviewed(OUTLINE)), pause()).when(run_all()).then(
        configured(gated(GateMode.AUTO, OUTLINE)), resumed()
    )


def test_run_all_resumes_a_paused_post_that_waits_for_a_person():
    story = (
        after(create(reviewed(RESEARCH)), complete(RESEARCH), pause())
        .when(run_all())
        .then_something()
    )
    assert not story.post.paused
    assert story.facts[-1] == requested(OUTLINE)


def test_run_all_goes_on_with_the_whole_run_after_a_stage_that_was_run_alone():
    story = after(
        create(reviewed(RESEARCH)),
        complete(RESEARCH),
        approve(),
        fail(OUTLINE),
        run(RESEARCH),
        complete(RESEARCH),
    )
    story = story.when(run_all()).then_something()
    assert story.post.active is not None
    assert story.post.active.stage is OUTLINE


@pytest.mark.parametrize("gates", [{}, reviewed()], ids=["ungated", "gated"])
def test_run_all_reaches_the_end_without_a_person(gates: dict[Stage, GateMode]):
    story = after(create(gates, start=False), run_all(), *press()[1:])
    assert story.facts[-1] == pipeline_completed()
    assert not [fact for fact in story.facts if isinstance(fact, e.ReviewRequested)]


def test_a_finished_post_whose_rerun_was_cancelled_is_complete_again_when_started():
    story = after(*press(), run(RESEARCH), cancel()).when(start()).then_something()
    assert story.post.completed_at is not None
    assert story.post.active is None
    assert not story.post.cancelled


# --- one stage --------------------------------------------------------------------------------


def test_a_stage_run_alone_is_followed_by_nothing():
    asked = after(*press()).when(run(WRITE))
    story = asked.then(started(WRITE, alone=True), requested(WRITE, alone=True))
    story.when(complete(WRITE)).then(completed(WRITE))


def test_a_stage_run_with_cascade_is_followed_by_the_rest():
    story = after(*press()).when(run(WRITE, cascade=True)).then(started(WRITE), requested(WRITE))
    story.when(complete(WRITE)).then(completed(WRITE), requested(Stage.EDIT))


def test_the_last_stage_run_alone_completes_the_pipeline():
    story = after(*press(), run(Stage.READY)).when(complete(Stage.READY))
    story.then(completed(Stage.READY), pipeline_completed())


def test_a_stage_run_alone_keeps_its_gate_and_its_approval_starts_nothing():
    story = after(*press(), c.ConfigurePost(post_id=POST, gates=reviewed(WRITE)), run(WRITE))
    story = story.when(complete(WRITE)).then(completed(WRITE), review(WRITE))
    story.when(approve()).then(approved(WRITE))


def test_a_rejected_stage_that_ran_alone_runs_alone_again():
    story = after(
        *press(), c.ConfigurePost(post_id=POST, gates=reviewed(WRITE)), run(WRITE), complete(WRITE)
    )
    *_, request = story.when(c.RejectStage(post_id=POST, actor="ann")).then_something().facts
    assert request == requested(WRITE, alone=True)


@pytest.mark.parametrize(
    ("stage", "missing"),
    [(OUTLINE, (RESEARCH,)), (WRITE, (RESEARCH, OUTLINE)), (Stage.READY, tuple(Stage)[:5])],
    ids=["outline", "write", "ready"],
)
def test_missing_inputs_are_named(stage: Stage, missing: tuple[Stage, ...]):
    story = after(create(start=False)).when(run(stage))
    assert story.then_refused(MissingInput, str(stage)).missing == missing


def test_only_what_is_missing_is_named():
    refusal = after(*press(OUTLINE), fail(WRITE)).when(run(Stage.IMAGES)).then_refused(MissingInput)
    assert refusal.missing == (WRITE, Stage.EDIT)


def test_a_running_stage_asked_for_again_is_not_run_twice():
    after(create()).when(run(RESEARCH)).then_nothing()
    after(create(), defer(RESEARCH)).when(run(RESEARCH)).then_nothing()


def test_no_stage_is_run_beside_another():
    refusal = (
        after(*press(RESEARCH)).when(run(RESEARCH)).then_refused(StageRunning, "outline is running")
    )
    assert refusal.stage is OUTLINE
    after(*press(RESEARCH), defer(OUTLINE)).when(run(RESEARCH)).then_refused(StageRunning)


def test_rules_of_a_rerun_are_its_own():
    rerun = c.RunStage(post_id=POST, stage=WRITE, rules={WRITE: 4})
    after(*press()).when(rerun).then(
        started(WRITE, alone=True, rules={WRITE: 4}), requested(WRITE, alone=True, rules=4)
    )


def test_a_rerun_of_a_complete_stage_resumes_nothing():
    *_, request = after(*press()).when(run(WRITE)).then_something().facts
    assert request == requested(WRITE, alone=True)


def test_a_rerun_makes_the_pipeline_incomplete_until_it_ends():
    assert after(*press(), run(RESEARCH)).post.completed_at is None


def test_a_rerun_s_figures_take_the_place_of_those_before():
    cheap = METRICS.model_copy(update={"cost_usd": 0.125, "tokens_in": 1})
    again = replace(complete(WRITE), metrics=cheap)
    assert after(*press(), run(WRITE), again).post.stages[WRITE].metrics == cheap


# --- restart ----------------------------------------------------------------------------------


def test_a_restart_sets_everything_aside_and_begins_again():
    asked = after(*press()).when(restart())
    story = asked.then(restarted(), started(), requested(RESEARCH))
    assert all(state.output is None for state in story.post.stages.values())
    assert story.post.completed_at is None


def test_a_restart_replaces_whatever_is_under_way():
    for story in (
        after(create()),
        after(create(), defer(RESEARCH)),
        after(create(reviewed(RESEARCH)), complete(RESEARCH)),
        after(create(), pause(), complete(RESEARCH)),
        after(create(), fail(RESEARCH)),
        after(create(), cancel()),
    ):
        begun = story.when(restart()).then(restarted(), started(), requested(RESEARCH)).post
        assert begun.active is not None
        assert (begun.review, begun.held, begun.next, begun.paused) == (None, None, None, False)
        assert not begun.cancelled


def test_a_restart_keeps_gates_and_models():
    story = after(create(reviewed(RESEARCH)), restart()).when(complete(RESEARCH))
    story.then(completed(RESEARCH), review(RESEARCH))


# --- reports ----------------------------------------------------------------------------------


def test_a_report_of_a_run_that_was_superseded_changes_nothing():
    story = after(create(), restart())
    for report in (
        complete(RESEARCH, run=3),
        fail(RESEARCH, run=3),
        replace(defer(RESEARCH), run=3),
    ):
        story.when(report).then_nothing()


def test_a_report_repeated_changes_nothing():
    after(*press(RESEARCH)).when(complete(RESEARCH)).then_nothing()
    after(create(), fail(RESEARCH)).when(fail(RESEARCH)).then_nothing()
    after(create(), fail(RESEARCH)).when(complete(RESEARCH)).then_nothing()


def test_a_report_about_another_stage_than_its_run_s_changes_nothing():
    after(create()).when(complete(WRITE, run=3)).then_nothing()
    after(create()).when(fail(WRITE, run=3)).then_nothing()


def test_a_command_for_another_post_leads_to_no_fact_of_either():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH))
    for command in (approve(), run(RESEARCH), restart(), edit(RESEARCH, "text"), cancel()):
        assert story.when(replace(command, post_id=OTHER)).decided == ()


def test_a_budget_that_is_spent_stops_the_stage_and_keeps_the_run():
    story = given(created(), started(), requested(RESEARCH)).when(replace(exceed(RESEARCH), run=3))
    held = story.then(out_of_budget(RESEARCH)).post.held
    assert held is not None
    assert (held.run, held.scope, held.cap_usd) == (3, "day", 5)
    assert (held.needed_usd, held.left_usd, held.until) == (2, 1, NOW + timedelta(seconds=1))


def test_a_request_remembers_when_it_was_made():
    story = after(create(), defer(RESEARCH)).when(c.WakeStage(post_id=POST, run=3), at=LATER)
    assert story.then_something().post.stages[RESEARCH].since == LATER
