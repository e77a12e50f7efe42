"""The newest version of each text is the post's text, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given

from shared.domain.evolve import fold
from shared.domain.outputs import outputs, sources
from shared.domain.text import digest, words
from shared.domain.values import Source, Stage
from shared.testing import after
from shared.testing.histories import histories, law
from shared.testing.vocabulary import (
    approve,
    complete,
    completed,
    create,
    delete,
    edit,
    press,
    restart,
    reviewed,
    run,
)

if TYPE_CHECKING:
    from shared.domain.events import Recorded

RESEARCH = Stage.RESEARCH
CITED = completed(RESEARCH).model_copy(
    update={"sources": (Source(number=1, url="https://a.example"),)}
)


def test_a_stage_without_output_is_missing():
    assert outputs(after(create()).history) == {}


def test_the_newest_text_wins():
    written = [*press(RESEARCH), edit(RESEARCH, "mine")]
    assert outputs(after(*written).history)[RESEARCH] == "mine"
    rewritten = [*press(), edit(RESEARCH, "mine"), run(RESEARCH), complete(RESEARCH, "newer")]
    assert outputs(after(*rewritten).history)[RESEARCH] == "newer"


def test_an_edited_approval_is_the_text_and_a_plain_one_leaves_it():
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH))
    assert outputs(story.when(approve("mine")).then_something().history)[RESEARCH] == "mine"
    assert outputs(story.when(approve("")).then_something().history)[RESEARCH] == ""
    assert outputs(story.when(approve()).then_something().history)[RESEARCH] == "the research text"


def test_a_restart_and_a_deletion_leave_no_text():
    assert outputs(after(*press(), restart()).history) == {}
    assert outputs(after(*press(), delete()).history) == {}


def test_the_sources_are_those_of_the_newest_research():
    story = after(create()).and_then(CITED)
    assert sources(story.history) == CITED.sources
    assert sources(story.and_then(completed(Stage.OUTLINE)).history) == CITED.sources
    assert sources(story.and_then(completed(RESEARCH)).history) == ()
    assert sources(story.when(restart()).then_something().history) == ()
    assert sources(story.when(delete()).then_something().history) == ()


@law
@given(histories())
def test_the_texts_are_those_the_state_names(history: tuple[Recorded, ...]):
    held = {s: each.output for s, each in fold(history).stages.items() if each.output}
    texts = outputs(history)
    assert {stage: (digest(text), words(text)) for stage, text in texts.items()} == {
        stage: (output.digest, output.words) for stage, output in held.items()
    }
