"""Live text is kept whole, never mixed between attempts, and never outlives its stage."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.streams.drafts import Drafts, may_end_a_text
from shared.domain.events import FACTS
from shared.domain.subjects import MAIN, PostRef, subject_of
from shared.domain.values import ORDER, Stage
from shared.eventlog import Tokens
from shared.testing.arbitrary import facts
from shared.testing.vocabulary import completed

POST = UUID(int=1)


def piece(text: str, offset: int, attempt: int = 1, run: int = 5) -> Tokens:
    return Tokens(
        stage=Stage.WRITE, run=run, key="draft", attempt=attempt, offset=offset, text=text
    )


def kept(drafts: Drafts) -> list[dict[str, Any]]:
    frames = drafts.of(POST, ORDER)
    return [json.loads(frame.data.decode().split("data: ")[1]) for frame in frames]


@given(
    words=st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8),
    order=st.randoms(use_true_random=False),
)
def test_what_is_kept_is_always_a_piece_of_what_was_written(words: list[str], order: Any) -> None:
    text = "".join(words)
    offsets = accumulate((len(word) for word in words), initial=0)
    pieces = [piece(word, offset) for word, offset in zip(words, offsets, strict=False)]
    order.shuffle(pieces)
    drafts = Drafts()
    for each in [*pieces, *pieces]:
        drafts.take(POST, each)
    [draft] = kept(drafts)
    assert text[draft["offset"] :].startswith(draft["text"])


def test_pieces_in_order_make_the_whole_text_and_repeats_change_nothing() -> None:
    drafts = Drafts()
    for each in (piece("ab", 0), piece("cd", 2), piece("ab", 0), piece("cd", 2)):
        drafts.take(POST, each)
    assert [(draft["offset"], draft["text"]) for draft in kept(drafts)] == [(0, "abcd")]


def test_a_newer_attempt_begins_anew_and_the_older_is_ignored_from_then_on() -> None:
    drafts = Drafts()
    drafts.take(POST, piece("old", 0))
    drafts.take(POST, piece("new", 0, attempt=2))
    assert drafts.take(POST, piece("er", 3)) is None
    assert [(draft["attempt"], draft["text"]) for draft in kept(drafts)] == [(2, "new")]


def test_after_missed_pieces_the_text_says_where_it_begins() -> None:
    drafts = Drafts()
    drafts.take(POST, piece("ab", 0))
    drafts.take(POST, piece("xy", 10))
    assert [(draft["offset"], draft["text"]) for draft in kept(drafts)] == [(10, "xy")]


def test_a_completed_stage_keeps_no_text_and_takes_no_more() -> None:
    drafts = Drafts()
    drafts.take(POST, piece("ab", 0))
    drafts.ended(POST, completed(Stage.WRITE, run=5))
    assert kept(drafts) == []
    assert drafts.take(POST, piece("cd", 2)) is None
    assert drafts.take(POST, piece("again", 0, run=9)) is not None


def test_so_many_texts_are_kept_and_no_more() -> None:
    drafts = Drafts()
    for number in range(5_000):
        drafts.take(UUID(int=number + 2), piece("ab", 0))
    assert len(drafts._drafts) <= 2_000


@pytest.mark.parametrize("kind", sorted(FACTS))
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_no_fact_that_ends_a_text_is_passed_over_by_its_subject(
    kind: str, data: st.DataObject
) -> None:
    """The feed decodes only what `may_end_a_text` lets through."""
    drawn = data.draw(facts(kind))
    here = {"post_id": POST, "stage": Stage.WRITE, "run": 5, "key": "draft"}
    named = {name: value for name, value in here.items() if name in type(drawn).model_fields}
    fact = drawn.model_copy(update=named)
    drafts = Drafts()
    drafts.take(POST, piece("Once upon", 0))
    drafts.ended(POST, fact)
    assert kept(drafts) or may_end_a_text(subject_of(PostRef(MAIN, POST), fact, 3))
