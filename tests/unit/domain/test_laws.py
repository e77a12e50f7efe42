"""Laws of every post: hypothesis looks for the life that breaks one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random  # noqa: TC003  (hypothesis reads the annotations)

from hypothesis import given as forall
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.domain import events as e
from shared.domain.decide import decide
from shared.domain.evolve import evolve, fold
from shared.domain.journal import journal
from shared.domain.post import Post
from shared.domain.rules.deadlines import deadline
from shared.domain.status import current_stage, waits_for
from shared.domain.subjects import MAIN, PostRef, subject_of
from shared.domain.upcast import decode, encode
from shared.domain.values import GateMode, Stage
from shared.errors import Rejected
from shared.testing import NOW, POST, after
from shared.testing.billing import journals
from shared.testing.histories import (
    Move,
    Played,
    at_the_end,
    finish,
    gates,
    law,
    lives,
    moves,
)
from shared.testing.vocabulary import by, create

CODEC = TypeAdapter(Post)
WORDS = {*Stage, "pending", "complete", "failed", "paused", "cancelled", "deleted"}


@law
@forall(gates, st.booleans())
def test_any_gates_still_reach_the_end(chosen: dict[Stage, GateMode], start: bool):
    done = finish(Played().ask(create(chosen, start=start)))
    ran = [fact.stage for _, fact in done.history if isinstance(fact, e.StageCompleted)]
    asked = [fact.stage for _, fact in done.history if isinstance(fact, e.ReviewRequested)]
    assert ran == list(Stage)
    assert asked == [s for s in Stage if chosen.get(s, GateMode.AUTO) is not GateMode.AUTO]
    assert isinstance(done.history[-1].fact, e.PipelineCompleted)


@settings(law, max_examples=60)
@forall(lives(60))
def test_any_life_can_be_led_to_a_good_end(life: Played):
    done = finish(life)
    assert all(state.output for state in done.post.stages.values())
    assert current_stage(done.post) in ("complete", "failed")


@law
@forall(lives(40), st.data())
def test_any_prefix_of_a_history_can_be_led_to_a_good_end(life: Played, data: st.DataObject):
    """Also in the middle of a batch: a crash leaves none, but a reader may stop anywhere."""
    upto = data.draw(st.integers(1, len(life.history)))
    prefix = life.history[:upto]
    assert at_the_end(finish(Played((), prefix, fold(prefix), life.now)).post)


@settings(law, max_examples=15)
@forall(lives(200))
def test_a_long_life_folds_and_stays_lawful(life: Played):
    post = Post()
    for recorded in life.history:
        post = evolve(post, recorded)
        running = [s for s, state in post.stages.items() if state.status == "running"]
        assert running == ([post.active.stage] if post.active else [])
        assert sum(x is not None for x in (post.active, post.held, post.review)) <= 1
    assert post == life.post == fold(life.history)
    assert post.n == len(life.history)
    assert post.last == (life.history[-1].seq if life.history else 0)


@law
@forall(lives(), journals(), st.randoms())
def test_only_flow_facts_count(life: Played, calls: tuple[e.Recorded, ...], chance: Random):
    mixed = list(life.history)
    for recorded in calls:
        mixed.insert(chance.randint(0, len(mixed)), recorded)
    assert fold(mixed) == life.post
    assert fold(mixed).n == len(life.history)


@law
@forall(lives())
def test_every_stage_is_in_the_state_its_post_says(life: Played):
    for step in life.steps:
        post = step.before
        status = {stage: state.status for stage, state in post.stages.items()}
        assert [s for s in Stage if status[s] == "review"] == _stages(post.review)
        assert [s for s in Stage if status[s] == "waiting"] == _stages(post.held)
        assert post.next is None or _nothing_but_a_stage_run_alone(post)
        assert not [s for s in _stages(post.active) if post.stages[s].ended]
        assert current_stage(post) in WORDS
        assert waits_for(post) in ("", "worker", "person", "time", "budget")


@law
@forall(lives())
def test_an_open_review_is_always_on_the_terms_of_its_post(life: Played):
    for post in (*(step.before for step in life.steps), life.post):
        if post.review is not None:
            assert post.review.opened is not None
            assert post.review.deadline == deadline(post.terms, post.review.opened)


def _nothing_but_a_stage_run_alone(post: Post) -> bool:
    """What a paused pipeline was to do next waits behind a stage that was run alone meanwhile."""
    return all(post.stages[stage].alone for stage in _stages(post.active or post.held))


def _stages(open_now: object) -> list[Stage]:
    return [open_now.stage] if open_now is not None else []  # type: ignore[attr-defined]


@law
@forall(lives())
def test_nothing_is_requested_past_an_open_review(life: Played):
    """Only a person's own run or restart may replace a review; nothing else goes past it."""
    for step in life.steps:
        requested = any(isinstance(fact, e.StageRequested) for fact in step.facts)
        if step.before.review is None or not requested:
            continue
        answered = e.StageApproved | e.StageRejected | e.GateExpired
        deliberate = e.PostRestarted | e.PipelineStarted
        assert isinstance(step.facts[0], answered | deliberate | e.PostConfigured)


@law
@forall(lives())
def test_nothing_but_a_person_starts_anything_while_paused(life: Played):
    for step in life.steps:
        kinds = [type(fact) for fact in step.facts]
        if step.before.paused and e.StageRequested in kinds:
            assert e.PipelineResumed in kinds or e.PipelineStarted in kinds


@law
@forall(lives())
def test_a_report_about_a_run_that_is_not_open_changes_nothing(life: Played):
    for step in life.steps:
        run = getattr(step.command, "run", None)
        if hasattr(step.command, "stage") and run is not None and step.facts:
            assert step.before.active is not None
            assert run == step.before.active.run


@law
@forall(lives())
def test_a_run_is_completed_at_most_once(life: Played):
    completed = [f.run for _, f in life.history if isinstance(f, e.StageCompleted)]
    assert len(completed) == len(set(completed))
    answered = [
        f.review
        for _, f in life.history
        if isinstance(f, e.StageApproved | e.StageRejected | e.GateExpired)
    ]
    assert len(answered) == len(set(answered))


@law
@forall(lives())
def test_a_run_resumes_only_an_earlier_run_of_its_own_stage_whose_result_nobody_took(
    life: Played,
):
    """It did not complete, or the pipeline was stopped while its result lay in review."""
    requests = {seq: f for seq, f in life.history if isinstance(f, e.StageRequested)}
    completed = {f.run for _, f in life.history if isinstance(f, e.StageCompleted)}
    approved = {f.review for _, f in life.history if isinstance(f, e.StageApproved)}
    reviews = [(seq, f) for seq, f in life.history if isinstance(f, e.ReviewRequested)]
    unanswered = {f.run for seq, f in reviews if seq not in approved}
    for seq, request in requests.items():
        if request.resumes is not None:
            assert request.resumes < seq
            assert requests[request.resumes].stage is request.stage
            assert request.resumes not in completed - unanswered


@law
@forall(lives(), moves)
def test_a_command_repeated_changes_nothing(life: Played, move: Move):
    step = life.make(move).steps[-1]
    signed = replace(step.command, by=by("once"))
    try:
        once = life.ask(signed)
    except Rejected:
        return
    if once.steps[-1].facts and isinstance(once.steps[-1].facts[0], e.FlowFact):
        again = once.ask(signed)
        if once.steps[-1].facts[0].command is not None:
            assert again.steps[-1].facts == ()
            assert again.steps[-1].refused is None


@law
@forall(lives())
def test_every_fact_is_about_this_post_at_this_time(life: Played):
    for step in life.steps:
        assert {fact.post_id for fact in step.facts} <= {POST}
        assert {fact.at for fact in step.facts} <= {step.at}


@law
@forall(lives())
def test_deciding_twice_decides_the_same_and_changes_nothing(life: Played):
    for step in life.steps:
        before = repr(step.before)
        if step.refused is None:
            assert tuple(decide(step.before, step.command, step.at)) == step.facts
        assert repr(step.before) == before


@law
@forall(lives())
def test_every_lawful_fact_survives_the_wire(life: Played):
    for n, (_, fact) in enumerate(life.history):
        assert decode(fact.type, fact.VERSION, encode(fact)) == fact
        assert subject_of(PostRef(MAIN, POST), fact, n).endswith(f".{n}")


@law
@forall(lives())
def test_a_state_survives_the_read_model(life: Played):
    for step in life.steps[-3:]:
        assert CODEC.validate_json(CODEC.dump_json(step.before)) == step.before


@law
@forall(lives())
def test_every_history_reads_as_a_log_in_order(life: Played):
    entries = [entry for recorded in life.history if (entry := journal(recorded)) is not None]
    assert all(one.seq < other.seq for one, other in pairwise(entries))
    assert all(entry.message and entry.event for entry in entries)


def test_the_laws_are_tried_on_lives_that_get_somewhere():
    """A guard of the guards: the moves of a plain run lead to the end."""
    life = Played().ask(create())
    for _ in Stage:
        life = life.make(Move("complete"))
    assert at_the_end(life.post)
    assert life.post.stages.keys() == after(create()).post.stages.keys()
    assert life.now > NOW
