"""One picture is made anew: that alone, in a run of its own, and nothing is asked for twice."""

from __future__ import annotations

import pytest

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.values import Redo, Stage
from shared.errors import MissingInput, Rejected, StageRunning
from shared.testing import LATER, POST, Given, after
from shared.testing.vocabulary import (
    cancelled,
    complete,
    defer,
    failed,
    press,
    run,
    start,
)

IMAGES, READY = Stage.IMAGES, Stage.READY
THIRD = Redo(image=3, prompt="A dog on a hill")


def redo(picture: Redo = THIRD, stage: Stage = IMAGES, *, cascade: bool = False) -> c.RunStage:
    return c.RunStage(post_id=POST, stage=stage, redo=picture, cascade=cascade)


def asked(story: Given) -> e.StageRequested:
    found = [fact for fact in story.facts if isinstance(fact, e.StageRequested)]
    return found[-1]


def redoing(story: Given, picture: Redo = THIRD) -> Given:
    return story.when(redo(picture)).then_something()


def made(story: Given) -> Given:
    return story.when(complete(IMAGES)).then_something()


@pytest.fixture
def article() -> Given:
    return after(*press())


def test_a_picture_is_asked_for_alone_in_a_run_that_continues_none(article: Given) -> None:
    request = asked(redoing(article))
    assert (request.stage, request.redo, request.alone, request.resumes) == (
        IMAGES,
        THIRD,
        True,
        None,
    )


def test_with_cascade_what_follows_is_made_again(article: Given) -> None:
    story = article.when(redo(cascade=True)).then_something()
    assert asked(made(story)).stage is READY


def test_asked_again_while_it_is_made_changes_nothing_and_another_one_is_refused(
    article: Given,
) -> None:
    story = redoing(article)
    story.when(redo()).then_nothing()
    story.when(redo(Redo(image=2))).then_refused(StageRunning)
    story.when(run(IMAGES)).then_refused(StageRunning)


def test_without_pictures_there_is_none_to_make_anew() -> None:
    begun = after(*press(Stage.EDIT)).and_then(failed(IMAGES))
    begun.when(redo()).then_refused(MissingInput)


def test_only_pictures_can_be_made_anew_alone(article: Given) -> None:
    article.when(redo(stage=Stage.EDIT)).then_refused(Rejected)


def test_a_failed_picture_is_continued_by_the_same_wish_and_by_start(article: Given) -> None:
    story = redoing(article)
    first = story.post.stages[IMAGES].run
    broken = story.and_then(failed(IMAGES))
    for again in (redo(), start()):
        request = asked(broken.when(again).then_something())
        assert (request.redo, request.resumes) == (THIRD, first)


@pytest.mark.parametrize("other", [redo(Redo(image=2)), run(IMAGES)])
def test_another_wish_pays_for_itself(article: Given, other: c.RunStage) -> None:
    broken = redoing(article).and_then(failed(IMAGES))
    request = asked(broken.when(other).then_something())
    assert (request.redo, request.resumes) == (other.redo, None)


def test_a_cancelled_picture_leaves_the_article_as_it_was(article: Given) -> None:
    story = redoing(article).and_then(cancelled())
    assert story.post.done(IMAGES)
    assert not story.post.stages[READY].stale


def test_a_picture_that_had_to_wait_is_the_one_that_is_woken(article: Given) -> None:
    story = redoing(article)
    waiting = story.when(defer(IMAGES, LATER)).then_something()
    waking = c.WakeStage(post_id=POST, run=story.post.stages[IMAGES].run or 0)
    request = asked(waiting.when(waking, LATER).then_something())
    assert request.redo == THIRD


def test_one_new_picture_does_not_make_the_others_fit_a_changed_text(article: Given) -> None:
    edit = c.EditContent(post_id=POST, stage=Stage.EDIT, actor="ann", output="# Other")
    story = redoing(article.when(edit).then_something())
    assert made(story).post.stages[IMAGES].stale
    again = made(redoing(article))
    assert not again.post.stages[IMAGES].stale
    assert again.post.stages[READY].stale


def test_the_next_whole_run_forgets_the_picture(article: Given) -> None:
    story = made(redoing(article)).when(run(IMAGES)).then_something()
    assert story.post.stages[IMAGES].redo is None
    assert asked(story).redo is None
