"""The dead letter: what failed is tried again, perhaps after a change, or given up for good."""

from __future__ import annotations

import pytest

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.events import Recorded
from shared.domain.journal import journal
from shared.domain.status import current_stage, parked
from shared.domain.values import Stage
from shared.errors import NoSuchPost, Rejected
from shared.testing import CONFIG, NOW, POST, Given, after, given
from shared.testing.vocabulary import (
    by,
    cancelled,
    complete,
    completed,
    configured,
    create,
    delete,
    edited,
    exceed,
    fail,
    pause,
    press,
    requested,
    resumed,
    reviewed,
    run,
    start,
    started,
)

RESEARCH, OUTLINE, WRITE = Stage.RESEARCH, Stage.OUTLINE, Stage.WRITE
PARKED = after(create(), complete(RESEARCH), fail(OUTLINE))
SHORTER = CONFIG.model_copy(update={"word_count": 500})


def retry(words: int | None = None, texts: dict[Stage, str] | None = None) -> c.RetryFailed:
    fields = {} if words is None else {"word_count": words}
    change = c.ChangePost(post_id=POST, actor="ann", fields=fields, texts=texts or {})
    return c.RetryFailed(post_id=POST, change=change if fields or texts else None)


def discard(note: str = "") -> c.DiscardFailed:
    return c.DiscardFailed(post_id=POST, actor="ann", note=note)


def discarded(stage: Stage, note: str = "") -> e.StageDiscarded:
    return e.StageDiscarded(post_id=POST, at=NOW, stage=stage, run=0, actor="ann", note=note)


# --- what is in the dead letter ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("story", "stages"),
    [
        (PARKED, (OUTLINE,)),
        (after(create(), pause(), fail(RESEARCH)), (RESEARCH,)),
        (after(*press(), run(RESEARCH), fail(RESEARCH)), (RESEARCH,)),
        (after(create()), ()),
        (after(*press()), ()),
        (PARKED.when(start()).then_something(), ()),
        (PARKED.when(run(RESEARCH)).then_something(), ()),
        (PARKED.when(delete()).then_something(), ()),
        (given(), ()),
    ],
)
def test_what_failed_is_in_the_dead_letter_until_something_else_is_open(
    story: Given, stages: tuple[Stage, ...]
):
    assert parked(story.post) == stages


# --- giving up --------------------------------------------------------------------------------


def test_what_is_discarded_stands_cancelled_and_tells_who_gave_it_up():
    story = PARKED.when(discard("no use")).then(discarded(OUTLINE, "no use"))
    assert (current_stage(story.post), parked(story.post)) == ("cancelled", ())
    assert story.post.stages[OUTLINE].failure is None
    assert story.post.stages[OUTLINE].status == "pending"
    entry = journal(story.history[-1])
    assert entry is not None
    assert (entry.level, entry.message) == ("warning", "Outline given up by ann: no use")


def test_a_discarded_rerun_leaves_the_output_it_was_to_replace():
    story = after(*press(), run(OUTLINE), fail(OUTLINE)).when(discard()).then(discarded(OUTLINE))
    state = story.post.stages[OUTLINE]
    assert (state.status, state.output is not None) == ("complete", True)
    assert current_stage(story.post) == "cancelled"


def test_a_post_that_was_paused_is_discarded_all_the_same():
    story = after(create(), pause(), fail(RESEARCH)).when(discard()).then_something()
    assert current_stage(story.post) == "cancelled"


def test_every_failed_stage_is_discarded_at_once():
    twice = after(*press(), run(WRITE), fail(WRITE), run(RESEARCH), fail(RESEARCH))
    story = twice.when(discard()).then(discarded(RESEARCH), discarded(WRITE))
    assert current_stage(story.post) == "cancelled"


def test_what_was_discarded_can_still_be_run_and_pays_nothing_twice():
    story = PARKED.when(discard()).then(discarded(OUTLINE))
    story.when(start()).then(started(OUTLINE), requested(OUTLINE, resumes=5))


@pytest.mark.parametrize(
    "story",
    [
        after(create()),
        after(*press()),
        after(create(reviewed(RESEARCH)), complete(RESEARCH)),
        after(create(), exceed(RESEARCH)),
        PARKED.when(discard()).then_something(),
        PARKED.when(start()).then_something(),
    ],
)
def test_only_what_is_in_the_dead_letter_can_be_discarded(story: Given):
    story.when(discard()).then_refused(Rejected, "not in the dead letter")


@pytest.mark.parametrize("command", [discard(), retry(), retry(500)])
def test_an_unknown_or_deleted_post_is_in_no_dead_letter(command: c.AnyCommand):
    given().when(command).then_refused(NoSuchPost)
    after(create(), delete()).when(command).then_refused(NoSuchPost)


def test_discarding_under_one_key_twice_is_done_once():
    asked = c.DiscardFailed(post_id=POST, actor="ann", by=by("k"))
    PARKED.when(asked).then_something().when(asked).then_nothing()


# --- trying again -----------------------------------------------------------------------------


def test_a_retry_goes_on_where_it_failed_with_the_whole_run():
    story = PARKED.when(retry()).then(started(OUTLINE), requested(OUTLINE, resumes=5))
    story.when(complete(OUTLINE)).then(completed(OUTLINE), requested(WRITE))


def test_two_retries_start_one_run():
    PARKED.when(retry()).then_something().when(retry()).then_nothing()


def test_a_change_is_not_made_to_a_post_that_another_retry_has_set_in_motion():
    moving = PARKED.when(retry()).then_something()
    moving.when(retry(500)).then_refused(Rejected, "not in the dead letter")
    moving.when(retry(texts={RESEARCH: "better"})).then_refused(Rejected, "not in the dead letter")


def test_a_retry_unpauses_the_post():
    story = after(create(), pause(), fail(RESEARCH)).when(retry())
    story.then(resumed(), started(RESEARCH), requested(RESEARCH, resumes=3))


def test_a_retry_with_changes_is_one_decision():
    story = PARKED.when(retry(500, texts={RESEARCH: "better facts"}))
    story.then(
        configured(config=SHORTER),
        edited(RESEARCH, "better facts"),
        started(OUTLINE),
        requested(OUTLINE, resumes=5),
    )


def test_what_was_made_from_a_text_that_is_changed_is_made_again():
    story = after(create(), complete(RESEARCH), complete(OUTLINE), fail(WRITE))
    story.when(retry(texts={RESEARCH: "better facts"})).then(
        edited(RESEARCH, "better facts"), started(OUTLINE), requested(OUTLINE)
    )


def test_a_change_that_changes_nothing_is_only_a_retry():
    PARKED.when(retry(CONFIG.word_count, texts={RESEARCH: "the research text"})).then(
        started(OUTLINE), requested(OUTLINE, resumes=5)
    )


@pytest.mark.parametrize("stage", [OUTLINE, WRITE])
def test_only_what_comes_before_the_failed_stage_can_be_changed(stage: Stage):
    PARKED.when(retry(texts={stage: "text"})).then_refused(Rejected, "does not come before outline")


def test_a_retry_of_what_is_neither_failed_nor_running_is_refused():
    after(create(start=False)).when(retry()).then_refused(Rejected, "not in the dead letter")
    after(*press()).when(retry()).then_refused(Rejected, "not in the dead letter")
    cancelled_one = given(*after(create()).facts, cancelled())
    cancelled_one.when(retry()).then_refused(Rejected, "not in the dead letter")


def test_the_log_says_nothing_of_a_note_that_was_not_given():
    story = PARKED.when(discard()).then_something()
    entry = journal(Recorded(9, story.facts[-1]))
    assert entry is not None
    assert entry.message.endswith("ann: no note")
