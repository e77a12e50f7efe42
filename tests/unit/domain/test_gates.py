"""A gate stands after its stage: the output is there, then the post waits for one decision."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain import commands as c
from shared.domain.text import digest
from shared.domain.values import Deadline, GateMode, Stage
from shared.errors import GateForbidsEdit, NothingToReview, StaleDecision
from shared.testing import LATER, NOW, POST, Given, after
from shared.testing.vocabulary import (
    approve,
    approved,
    cancelled,
    complete,
    completed,
    configured,
    create,
    edit,
    edited,
    expire,
    fail,
    gated,
    pause,
    pipeline_completed,
    press,
    reject,
    rejected,
    requested,
    resume,
    review,
    reviewed,
    run,
    start,
)

RESEARCH, OUTLINE = Stage.RESEARCH, Stage.OUTLINE


def in_review(mode: GateMode = GateMode.REVIEW) -> Given:
    return after(create(gated(mode, RESEARCH)), complete(RESEARCH))


def test_without_a_gate_the_next_stage_follows_at_once():
    after(create()).when(complete(RESEARCH)).then(completed(RESEARCH), requested(OUTLINE))


@pytest.mark.parametrize("mode", [GateMode.REVIEW, GateMode.APPROVE_ONLY])
def test_a_gated_stage_runs_and_then_waits_for_a_person(mode: GateMode):
    story = (
        after(create(gated(mode, RESEARCH)))
        .when(complete(RESEARCH))
        .then(completed(RESEARCH), review(RESEARCH, mode))
    )
    assert story.post.stages[RESEARCH].output is not None
    assert story.post.stages[RESEARCH].status == "review"
    assert story.post.active is None


def test_the_last_stage_completes_the_pipeline():
    story = after(*press(Stage.IMAGES)).when(complete(Stage.READY))
    done = story.then(completed(Stage.READY), pipeline_completed())
    assert done.post.completed_at == NOW


def test_approving_lets_the_next_stage_begin():
    story = in_review().when(approve()).then(approved(RESEARCH), requested(OUTLINE))
    assert story.post.stages[RESEARCH].status == "complete"
    assert story.post.review is None


def test_approving_the_last_stage_completes_the_pipeline():
    story = after(create(reviewed(Stage.READY)), *press()[1:])
    story.when(approve()).then(approved(Stage.READY), pipeline_completed())


def test_approving_with_an_edit_replaces_the_output_before_the_next_stage_begins():
    story = (
        in_review().when(approve("my own")).then(approved(RESEARCH, "my own"), requested(OUTLINE))
    )
    output = story.post.stages[RESEARCH].output
    assert output is not None
    assert output.digest == digest("my own")
    assert story.post.active is not None
    assert output.seq < story.post.active.run


def test_an_edit_that_leaves_nothing_is_still_an_edit():
    in_review().when(approve("")).then(approved(RESEARCH, ""), requested(OUTLINE))


def test_approve_only_takes_no_edit():
    in_review(GateMode.APPROVE_ONLY).when(approve("mine")).then_refused(GateForbidsEdit, "research")


def test_approve_only_takes_an_approval_and_a_rejection():
    story = in_review(GateMode.APPROVE_ONLY)
    story.when(approve()).then(approved(RESEARCH), requested(OUTLINE))
    story.when(reject("no")).then(rejected(RESEARCH, "no"), requested(RESEARCH, note="no"))


def test_approve_only_cannot_be_evaded_by_editing_the_content():
    in_review(GateMode.APPROVE_ONLY).when(edit(RESEARCH, "mine")).then_refused(GateForbidsEdit)


def test_what_came_before_an_approve_only_gate_can_be_edited():
    story = after(create(gated(GateMode.APPROVE_ONLY, OUTLINE)), complete(RESEARCH))
    story = story.when(complete(OUTLINE)).then_something()
    story.when(edit(RESEARCH, "mine")).then(edited(RESEARCH, "mine"))


def test_content_can_be_edited_during_a_review_and_the_review_stays_open():
    story = in_review().when(edit(RESEARCH, "mine")).then(edited(RESEARCH, "mine"))
    assert story.post.stages[RESEARCH].status == "review"
    story.when(approve()).then(approved(RESEARCH), requested(OUTLINE))


def test_opening_the_gate_during_a_review_does_not_answer_the_review():
    opened = c.ConfigurePost(post_id=POST, gates=gated(GateMode.AUTO, RESEARCH))
    story = in_review().when(opened).then(configured(gated(GateMode.AUTO, RESEARCH)))
    assert story.post.review is not None
    story.when(approve()).then(approved(RESEARCH), requested(OUTLINE))


def test_rejecting_runs_the_stage_again_with_the_note():
    story = (
        in_review()
        .when(reject("shorter"))
        .then(rejected(RESEARCH, "shorter"), requested(RESEARCH, note="shorter"))
    )
    story.when(complete(RESEARCH, "short")).then(completed(RESEARCH, "short"), review(RESEARCH))


def test_a_rejected_stage_says_how_its_run_ended():
    state = after(create(reviewed(RESEARCH)), complete(RESEARCH), pause(), reject()).post.stages
    assert state[RESEARCH].ended == "rejected"
    assert not after(create(reviewed(RESEARCH)), complete(RESEARCH), reject()).post.next


def test_a_rejected_run_is_not_resumed():
    *_, request = in_review().when(reject()).then_something().facts
    assert request == requested(RESEARCH)


def test_a_decision_that_names_another_review_is_stale():
    story = in_review().when(reject()).then_something().when(complete(RESEARCH)).then_something()
    first = 5
    story.when(approve(review=first)).then_refused(StaleDecision, "answers review 5")
    story.when(reject(review=first)).then_refused(StaleDecision)


def test_a_decision_that_names_the_open_review_counts():
    story = in_review()
    assert story.post.review is not None
    story.when(approve(review=story.post.review.seq)).then(approved(RESEARCH), requested(OUTLINE))


@pytest.mark.parametrize("decision", [approve(), approve(review=5), reject(), reject(review=5)])
def test_there_is_nothing_to_decide_without_a_review(decision):
    after(create()).when(decision).then_refused(NothingToReview)
    in_review().when(approve()).then_something().when(decision).then_refused(NothingToReview)


def test_a_failed_stage_never_asks_for_a_review():
    story = after(create(reviewed(RESEARCH)), fail(RESEARCH))
    assert story.post.review is None
    story.when(approve()).then_refused(NothingToReview)


def test_a_stage_that_failed_after_an_approval_does_not_stop_at_the_old_gate_again():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH), approve(), fail(OUTLINE))
    *_, request = story.when(start()).then_something().facts
    assert request == requested(OUTLINE, resumes=7)


def test_a_gate_may_have_a_deadline():
    story = after(create(reviewed(RESEARCH), deadline_s=60)).when(complete(RESEARCH))
    due = Deadline(at=NOW + timedelta(seconds=60), outcome="cancel")
    story.then(completed(RESEARCH), review(RESEARCH, deadline=due))


def expiring(outcome) -> Given:
    return after(create(reviewed(RESEARCH), deadline_s=60, outcome=outcome), complete(RESEARCH))


def test_a_deadline_that_approves_lets_the_next_stage_begin():
    facts = expiring("approve").when(expire(), at=LATER).then_something().facts
    assert [fact.type for fact in facts[-2:]] == ["gate-expired", "stage-requested"]
    assert facts[-1] == requested(OUTLINE, at=LATER)


def test_a_deadline_that_cancels_ends_the_run_and_keeps_the_output():
    story = expiring("cancel").when(expire(), at=LATER).then_something()
    assert story.facts[-1] == cancelled("nobody reviewed research in time", at=LATER)
    assert story.post.stages[RESEARCH].output is not None
    assert story.post.review is None


@pytest.mark.parametrize("outcome", ["approve", "cancel"])
def test_a_deadline_counts_from_its_very_second_and_no_earlier(outcome):
    due = NOW + timedelta(seconds=60)
    early = due - timedelta(microseconds=1)
    expiring(outcome).when(expire(), at=early).then_nothing()
    assert expiring(outcome).when(expire(), at=due).decided


def test_a_deadline_of_a_review_that_was_answered_means_nothing():
    expiring("cancel").when(approve()).then_something().when(expire(), at=LATER).then_nothing()


def test_a_review_without_a_deadline_never_expires():
    in_review().when(expire(), at=LATER).then_nothing()


def test_an_expired_gate_of_a_paused_post_waits_for_the_resume():
    story = expiring("approve").when(pause()).then_something()
    story = story.when(expire(), at=LATER).then_something()
    assert story.facts[-1].type == "gate-expired"
    assert story.when(resume()).then_something().facts[-1] == requested(OUTLINE)


def test_a_deadline_beyond_the_calendar_never_stops_a_stage_from_completing():
    story = (
        after(create(reviewed(RESEARCH), deadline_s=10**12))
        .when(complete(RESEARCH))
        .then_something()
    )
    assert story.post.stages[RESEARCH].status == "review"


def test_running_the_reviewed_stage_again_replaces_the_review():
    story = in_review().when(run(RESEARCH)).then_something()
    assert story.post.review is None
    assert story.post.active is not None
