"""What the outside is told, and when it is tried again."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid5

import pytest

from shared.domain import events as e
from shared.domain.evolve import fold
from shared.domain.journal import journal
from shared.domain.notices import EVENTS, PAUSES_S, delivery_of, lost_at, next_due, told_as
from shared.domain.subjects import MAIN, PostRef, subject_of
from shared.domain.values import NoticeEvent, Stage
from shared.testing import NOW, OTHER, POST, after, numbered
from shared.testing.vocabulary import (
    approved,
    cancelled,
    completed,
    created,
    failed,
    pipeline_completed,
    press,
    requested,
    review,
)

ATTEMPT = e.NoticeStarted(post_id=POST, at=NOW, told=5, attempt=1, event="failed")


@pytest.mark.parametrize(
    ("fact", "event"),
    [
        (review(Stage.WRITE, run=3), "review"),
        (failed(Stage.WRITE, run=3), "failed"),
        (pipeline_completed(), "complete"),
        (failed(Stage.WRITE, run=3).model_copy(update={"parked": False}), None),
        (created(), None),
        (requested(Stage.WRITE), None),
        (completed(Stage.WRITE, run=3), None),
        (approved(Stage.WRITE), None),
        (cancelled(), None),
        (ATTEMPT, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_three_things_are_told_and_a_notice_is_none_of_them(
    fact: e.PostEvent, event: NoticeEvent | None
):
    assert told_as(fact) == event


def test_every_event_has_its_words():
    for event in EVENTS:
        told = ATTEMPT.model_dump(exclude={"type"}) | {"event": event}
        entry = journal(e.Recorded(9, e.NoticeDelivered(**told, status=200)))
        assert entry is not None
        assert (entry.event, entry.level, entry.data["told"]) == ("log", "info", 5)


def test_each_pause_is_longer_than_the_one_before_and_the_last_attempt_is_the_last():
    pauses = [next_due(attempt, NOW) for attempt in range(1, 9)]
    assert pauses[:5] == [NOW + timedelta(seconds=s) for s in (10, 60, 600, 3_600, 21_600)]
    assert pauses[5:] == [None, None, None]
    assert list(PAUSES_S) == sorted(set(PAUSES_S))


def test_an_attempt_counts_as_lost_only_when_it_can_no_longer_be_on_its_way():
    assert lost_at(NOW) == NOW + timedelta(seconds=60)


def test_a_delivery_is_named_by_its_post_and_what_it_tells():
    assert delivery_of(POST, 5) == uuid5(POST, "5")
    names = {delivery_of(post, told) for post in (POST, OTHER) for told in (5, 6, 51)}
    assert len(names) == 6


def test_a_notice_changes_nothing_of_the_post():
    history = after(*press()).history
    seq = history[-1].seq + 1
    assert fold([*history, e.Recorded(seq, ATTEMPT)]) == fold(history)
    assert numbered([ATTEMPT], history)[-1].seq == seq


def test_skipping_and_starting_an_attempt_exclude_each_other_and_so_do_its_ends():
    ref, name = PostRef(MAIN, POST), ATTEMPT.model_dump(exclude={"type"})
    begun = {
        subject_of(ref, fact) for fact in (ATTEMPT, e.NoticeSkipped(**name, reason="no_webhook"))
    }
    ended = {
        subject_of(ref, e.NoticeDelivered(**name, status=200)),
        subject_of(ref, e.NoticeFailed(**name, code="timeout")),
    }
    assert len(begun) == len(ended) == 1
    assert begun != ended
