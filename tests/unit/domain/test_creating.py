"""A post is created once, and starts by itself unless a person stands after every stage."""

from __future__ import annotations

import pytest

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.values import GateMode, ModelSettings, Stage
from shared.errors import NoSuchPost, Rejected
from shared.testing import CONFIG, NOW, OTHER, POST, after, given
from shared.testing.vocabulary import (
    by,
    cancel,
    complete,
    completed,
    create,
    created,
    delete,
    edit,
    expire,
    gated,
    pause,
    reject,
    requested,
    restart,
    resume,
    review,
    reviewed,
    run,
    run_all,
    start,
    started,
    wake,
)

ON_A_POST = (
    start(),
    run_all(),
    run(Stage.RESEARCH),
    restart(),
    reject(),
    edit(Stage.RESEARCH, "text"),
    pause(),
    resume(),
    cancel(),
    delete(),
    wake(),
    expire(),
    c.ConfigurePost(post_id=POST, gates=reviewed()),
)


def test_a_post_without_gates_starts_by_itself():
    given().when(create()).then(created(), started(), requested(Stage.RESEARCH))


@pytest.mark.parametrize("free", Stage)
def test_one_stage_without_a_gate_is_enough_to_start(free: Stage):
    gates = reviewed(*(stage for stage in Stage if stage is not free))
    given().when(create(gates)).then(created(gates), started(), requested(Stage.RESEARCH))


@pytest.mark.parametrize("mode", [GateMode.REVIEW, GateMode.APPROVE_ONLY])
def test_a_post_with_all_six_gates_waits_to_be_started(mode: GateMode):
    given().when(create(gated(mode))).then(created(gated(mode)))


def test_six_gates_that_are_auto_are_no_gates():
    gates = gated(GateMode.AUTO)
    given().when(create(gates)).then(created(gates), started(), requested(Stage.RESEARCH))


def test_an_omitted_gate_is_auto():
    post = given(created(reviewed(Stage.EDIT))).post
    assert post.gate(Stage.EDIT) is GateMode.REVIEW
    assert {post.gate(stage) for stage in Stage if stage is not Stage.EDIT} == {GateMode.AUTO}


def test_a_post_that_shall_not_start_does_not():
    given().when(create(start=False)).then(created())


def test_a_fully_gated_post_runs_its_first_stage_when_told_to():
    given(created(reviewed())).when(start()).then(started(), requested(Stage.RESEARCH)).when(
        complete(Stage.RESEARCH)
    ).then(completed(Stage.RESEARCH), review(Stage.RESEARCH))


def test_a_post_is_created_once():
    given(created()).when(create()).then_refused(Rejected, "exists already")


def test_models_and_rules_are_pinned_from_the_start():
    model = ModelSettings(provider="perplexity", model="sonar")
    create_pinned = c.CreatePost(
        post_id=POST, config=CONFIG, models={Stage.RESEARCH: model}, rules={Stage.RESEARCH: 7}
    )
    *_, request = given().when(create_pinned).then_something().facts
    assert isinstance(request, e.StageRequested)
    assert (request.models, request.rules) == (model, 7)


def test_rules_pinned_at_the_start_hold_for_the_stages_that_follow():
    story = (
        given()
        .when(c.CreatePost(post_id=POST, config=CONFIG, rules={Stage.OUTLINE: 9}))
        .then_something()
    )
    story.when(complete(Stage.RESEARCH)).then(
        completed(Stage.RESEARCH), requested(Stage.OUTLINE, rules=9)
    )


@pytest.mark.parametrize("command", ON_A_POST, ids=lambda command: type(command).__name__)
def test_nothing_can_be_asked_of_a_post_nobody_created(command: c.AnyCommand):
    given().when(command).then_refused(NoSuchPost)


def test_a_stage_s_report_about_a_post_nobody_created_changes_nothing():
    given().when(complete(Stage.RESEARCH, run=3)).then_nothing()


def test_only_the_first_fact_of_a_command_carries_it_and_says_how_many_follow():
    story = given().when(create(by=by("creation"))).then_something()
    carried = [fact.command for fact in story.facts if isinstance(fact, e.FlowFact)]
    assert carried == [by("creation", facts=3), None, None]
    answer = story.post.commands[by("creation").id]
    assert (answer.first, answer.facts, answer.digest) == (1, 3, "the same")


def test_a_changed_order_names_only_what_changed():
    story = given(created(reviewed(Stage.EDIT)))
    order = c.ConfigurePost(
        post_id=POST,
        config=CONFIG,
        gates={
            Stage.EDIT: GateMode.REVIEW,
            Stage.WRITE: GateMode.REVIEW,
            Stage.READY: GateMode.AUTO,
        },
    )
    story.when(order).then(
        e.PostConfigured(post_id=POST, at=NOW, gates={Stage.WRITE: GateMode.REVIEW})
    )


def test_an_order_that_changes_nothing_is_no_fact():
    order = c.ConfigurePost(post_id=POST, config=CONFIG, gates=reviewed(Stage.EDIT))
    given(created(reviewed(Stage.EDIT))).when(order).then_nothing()


def test_a_new_order_keeps_what_it_does_not_name():
    model = ModelSettings(provider="claude", model="a-model")
    renamed = CONFIG.model_copy(update={"topic": "Cats"})
    story = after(create(reviewed(Stage.EDIT), start=False))
    story = story.when(
        c.ConfigurePost(post_id=POST, config=renamed, models={Stage.WRITE: model})
    ).then_something()
    assert story.post.config == renamed
    assert story.post.gate(Stage.EDIT) is GateMode.REVIEW
    assert story.post.models == {Stage.WRITE: model}
    also = c.ConfigurePost(post_id=POST, models={Stage.EDIT: model})
    both = story.when(also).then_something().post.models
    assert both == {Stage.WRITE: model, Stage.EDIT: model}


def test_a_new_model_is_used_by_the_next_request_of_its_stage():
    model = ModelSettings(provider="claude", model="another")
    story = after(create(), c.ConfigurePost(post_id=POST, models={Stage.OUTLINE: model}))
    *_, request = story.when(complete(Stage.RESEARCH)).then_something().facts
    assert isinstance(request, e.StageRequested)
    assert request.models == model


def test_a_fork_begins_as_a_post_that_waits_to_be_started():
    fork = c.ForkPost(post_id=POST, parent=OTHER, origin=17, config=CONFIG)
    story = (
        given()
        .when(fork)
        .then(created(), e.PostForked(post_id=POST, at=NOW, parent=OTHER, origin=17))
    )
    assert story.post.parent == OTHER
    story.when(start()).then(started(), requested(Stage.RESEARCH))


def test_a_fork_needs_an_id_of_its_own():
    fork = c.ForkPost(post_id=POST, parent=OTHER, origin=17, config=CONFIG)
    given(created()).when(fork).then_refused(Rejected, "exists already")
