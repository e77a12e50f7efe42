"""The read model's rules, without a database: what a batch of the log changes."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.projector.projection import due_at, project, row_of, set_aside, state_of
from services.projector.rows import Changes, clean, clean_json
from shared.domain import events as e
from shared.domain.events import Recorded
from shared.domain.evolve import fold
from shared.domain.journal import journal
from shared.domain.outputs import outputs
from shared.domain.post import Held, Post, Review
from shared.domain.subjects import MAIN, PostRef
from shared.domain.values import Deadline, GateMode, Stage
from shared.eventlog import Reading, Stored
from shared.testing import NOW, OTHER, POST
from shared.testing.histories import histories, law
from tests.unit.projector.stories import Ending, article, call, deleted, log_line, without_nul
from tests.unit.projector.tape import message, taped, unreadable


@given(histories())
@law
def test_rows_are_the_fold_of_any_lawful_history(history: tuple[Recorded, ...]) -> None:
    changes = project(taped(history), {})
    post = fold(history)
    assert changes.states == {POST: post}
    assert changes.posts == (row_of(PostRef(MAIN, POST), post),)
    assert state_of(changes.posts[0].state) == state_of(without_nul(post))
    assert {row.stage: row.text for row in changes.contents} == {
        stage: clean(text) for stage, text in outputs(history).items()
    }
    entries = [entry for each in history if (entry := journal(each))]
    assert [(row.seq, row.message) for row in changes.entries] == [
        (entry.seq, clean(entry.message)) for entry in entries
    ]
    assert not changes.quarantine


@given(histories(), st.integers(0, 40))
@law
def test_facts_already_folded_change_nothing_again(history: tuple[Recorded, ...], cut: int) -> None:
    tape = taped(history)
    post = fold(history[: max(cut, 1)])
    again = project(tape, {POST: post})
    assert again.states.get(POST, post) == fold(history)
    assert not again.quarantine
    settled = project(tape, {POST: fold(history)})
    assert [*settled.posts, *settled.contents, *settled.quarantine] == []


def test_a_second_fact_of_one_number_is_set_aside() -> None:
    tape = taped(article(POST))
    impostor = message(999, e.PipelineCancelled(post_id=POST, at=NOW), 2)
    changes = project([*tape, impostor], {})
    assert changes.states[POST] == fold(article(POST))
    assert [(row.seq, row.problem) for row in changes.quarantine] == [
        (999, "another fact of this number was first")
    ]
    assert [damaged.post_id for damaged in changes.damaged] == [POST]


def test_what_is_no_fact_of_a_post_changes_nothing() -> None:
    slug = unreadable(taped(article(POST))[0], "")
    assert project([slug], {}) == Changes()


def test_what_has_no_post_is_kept_without_marking_any() -> None:
    lost = set_aside(unreadable(taped(article(POST))[0]), "why\0")
    assert (lost.quarantine[0].post_id, lost.quarantine[0].problem) == (POST, "why\ufffd")
    stray = Stored(seq=1, subject="posts.x", data=b"?", read=lambda: Reading(problem="no fact"))
    nowhere = project([stray], {})
    assert (nowhere.quarantine[0].post_id, nowhere.damaged) == (None, ())


def test_a_debug_line_is_not_for_people() -> None:
    quiet = log_line(POST, "psst").model_copy(update={"level": "debug"})
    assert project(taped([Recorded(1, quiet)]), {}).entries == ()


def test_lines_and_texts_before_a_deletion_in_the_same_batch_go_with_it() -> None:
    history = article(POST)
    flow = sum(isinstance(each.fact, e.FlowFact) for each in history)
    gone = deleted(POST, history)
    others = [Recorded(each.seq + 500, each.fact) for each in article(OTHER)]
    batch = [*taped(history), message(gone.seq, gone.fact, flow), *taped(others)]
    changes = project(batch, {})
    assert changes.cleared == changes.erased == (POST,)
    assert {row.post_id for row in changes.entries} == {OTHER}
    assert {row.post_id for row in changes.contents} == {OTHER}
    assert {row.post_id for row in changes.calls} == {POST, OTHER}


def test_a_tombstone_keeps_the_profile_its_bills_belong_to() -> None:
    gone = e.PostDeleted(post_id=POST, at=NOW, profile_id=OTHER)
    (row,) = project([message(7, gone, 40)], {}).posts
    assert (row.deleted, row.profile_id, row.topic) == (True, OTHER, None)


def test_an_edit_keeps_the_sources_of_the_research() -> None:
    edit = e.ContentEdited(
        post_id=POST, at=NOW, stage=Stage.RESEARCH, actor="ann", output="new", digest="d", words=1
    )
    history = [*article(POST), Recorded(900, edit)]
    contents = {row.stage: row for row in project(taped(history), {}).contents}
    assert (contents["research"].text, contents["research"].seq) == ("new", 900)
    assert json.loads(contents["research"].sources or "")[0]["url"] == "https://example.org/a"
    alone = project(taped(history)[-1:], {POST: fold(article(POST))})
    assert alone.contents[0].sources is None


@pytest.mark.parametrize(
    ("ending", "outcome", "cost"),
    [
        ("open", "started", None),
        ("settled", "settled", 0.25),
        ("failed", "failed", 0.0),
        ("abandoned", "abandoned", None),
        ("late", "late", 0.125),
    ],
)
def test_an_attempt_is_one_row_whatever_became_of_it(
    ending: Ending, outcome: str, cost: float | None
) -> None:
    facts = call(POST, "draft", ending=ending)
    batch = taped([Recorded(i, fact) for i, fact in enumerate(facts, 1)])
    (row,) = project(batch, {}).calls
    assert (row.outcome, row.cost_usd, row.started_seq) == (outcome, cost, 1)
    assert row.ended_seq == (len(facts) if len(facts) > 1 else None)
    assert (row.provider, row.worst_case_usd) == ("claude", 0.5)


def test_a_held_run_is_due_when_it_may_go_on_and_a_review_at_its_deadline() -> None:
    later = NOW + timedelta(hours=1)
    deadline = Deadline(at=later, outcome="cancel")
    assert due_at(Post(held=Held(1, Stage.WRITE, until=later))) == later
    assert due_at(Post(held=Held(1, Stage.WRITE, scope="day"))) is None
    assert due_at(Post(review=Review(1, Stage.WRITE, GateMode.REVIEW, deadline))) == later
    assert due_at(Post(review=Review(1, Stage.WRITE, GateMode.REVIEW))) is None
    assert due_at(Post()) is None


@given(st.text(st.characters(categories=["L", "Cc", "Cs", "Po"])))
def test_cleaned_text_fits_into_postgres_and_loses_nothing_else(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned
    cleaned.encode()
    assert len(cleaned) == len(text)
    assert all(a == b for a, b in zip(cleaned, text, strict=True) if a != "\ufffd")


def test_cleaned_json_holds_no_nul_and_spares_what_only_looks_like_one() -> None:
    dumped = json.dumps({"a\0": ["b\0", {"c": "\\u0000"}], "n": 1}).encode()
    assert json.loads(clean_json(dumped)) == {"a\ufffd": ["b\ufffd", {"c": "\\u0000"}], "n": 1}


def test_numbers_that_json_does_not_know_do_not_reach_it() -> None:
    line = log_line(POST, "x").model_copy(update={"data": {"ratio": float("nan")}})
    (entry,) = project([message(1, line)], {}).entries
    assert json.loads(entry.data) == {"ratio": None}
