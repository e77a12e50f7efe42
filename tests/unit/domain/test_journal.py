"""What a person reads of a post's life: every kind of fact is told or kept silent on purpose."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from shared.domain import events as e
from shared.domain.events import FACTS, Recorded
from shared.domain.journal import Entry, journal
from shared.domain.values import Stage
from shared.testing import NOW, POST, after
from shared.testing.arbitrary import facts
from shared.testing.billing import (
    abandoned,
    billed_late,
    claimed,
    refused,
    reused,
    settled,
    taken_up,
)
from shared.testing.histories import law
from shared.testing.vocabulary import (
    approved,
    cancelled,
    completed,
    configured,
    created,
    deferred,
    deleted,
    edited,
    failed,
    out_of_budget,
    paused,
    pipeline_completed,
    press,
    rejected,
    requested,
    restarted,
    resumed,
    review,
    started,
)

RESEARCH = Stage.RESEARCH
LINE = e.Progressed(post_id=POST, at=NOW, stage=RESEARCH, run=3, message="Rules loaded")
EXPIRED = e.GateExpired(post_id=POST, at=NOW, stage=RESEARCH, review=5, outcome="cancel")
FORKED = e.PostForked(post_id=POST, at=NOW, parent=POST, origin=9)
NOTICE: dict[str, Any] = {"post_id": POST, "at": NOW, "told": 5, "attempt": 1, "event": "failed"}
NOTICE_FAILED = e.NoticeFailed(**NOTICE, code="timeout", due=NOW + timedelta(seconds=10))
RETRY = refused().model_copy(update={"wait_s": 2.0})

SILENT = {"post-created", "post-deleted", "stage-requested", "call-started", "call-settled",
          "call-reused", "notice-started", "notice-skipped"}  # fmt: skip
TOLD: list[tuple[e.PostEvent, str, str, str]] = [
    (started(), "pipeline_start", "info", "Pipeline started, from research"),
    (started(alone=True), "pipeline_start", "info", "research alone"),
    (pipeline_completed(), "pipeline_complete", "info", "complete"),
    (taken_up(1), "stage_start", "info", "Research started"),
    (taken_up(2), "log", "warning", "another worker"),
    (LINE, "log", "info", "Rules loaded"),
    (completed(RESEARCH, "one two", run=3), "stage_complete", "info", "complete in 1.5 s"),
    (failed(RESEARCH, run=3), "stage_error", "error", "bad_key"),
    (RETRY, "retry", "warning", "busy"),
    (abandoned(), "log", "warning", "$1.0000"),
    (billed_late(), "log", "warning", "$0.2500"),
    (review(RESEARCH, run=3), "stage_review", "info", "waits for a person"),
    (approved(RESEARCH), "log", "info", "approved by ann"),
    (approved(RESEARCH, "mine"), "log", "info", "approved with changes by ann"),
    (rejected(RESEARCH, "shorter"), "log", "info", "shorter"),
    (rejected(RESEARCH), "log", "info", "no note"),
    (edited(RESEARCH, "my own text"), "log", "info", "3 words"),
    (
        e.StageDiscarded(post_id=POST, at=NOW, stage=RESEARCH, run=3, actor="ann", note="no use"),
        "log",
        "warning",
        "given up by ann: no use",
    ),
    (EXPIRED, "log", "warning", "in time"),
    (deferred(RESEARCH, run=3), "log", "warning", "2026-01-01T13:00:00+00:00"),
    (out_of_budget(RESEARCH, run=3), "log", "warning", "$1.0000 of the budget of the day"),
    (paused(), "log", "info", "Paused"),
    (resumed(), "log", "info", "Resumed"),
    (cancelled("enough"), "log", "warning", "enough"),
    (cancelled(), "log", "warning", "Cancelled"),
    (configured(), "log", "info", "changed"),
    (restarted(), "log", "warning", "Restarted"),
    (FORKED, "log", "info", "at 9"),
    (e.NoticeDelivered(**NOTICE, status=204), "log", "info", "was told: a stage failed"),
    (NOTICE_FAILED, "log", "warning", "(timeout); tried again at 2026-01-01T12:00:10+00:00"),
    (e.NoticeFailed(**NOTICE, code="refused", status=500), "log", "warning", "given up"),
]


def told(fact: e.PostEvent, seq: int = 7) -> Entry:
    entry = journal(Recorded(seq, fact))
    assert entry is not None
    return entry


@pytest.mark.parametrize(
    ("fact", "event", "level", "saying"), TOLD, ids=lambda each: str(each)[:20]
)
def test_what_people_are_told(fact: e.PostEvent, event: str, level: str, saying: str):
    entry = told(fact)
    assert (entry.seq, entry.ts, entry.event, entry.level) == (7, NOW, event, level)
    assert saying in entry.message
    assert entry.stage == getattr(fact, "stage", "")


@pytest.mark.parametrize(
    "fact",
    [
        created(),
        deleted(),
        requested(RESEARCH),
        claimed(),
        settled(),
        reused(),
        refused(),
        e.NoticeStarted(**NOTICE),
        e.NoticeSkipped(**NOTICE, reason="no_webhook"),
    ],
    ids=lambda fact: type(fact).__name__,
)
def test_what_people_are_spared(fact: e.PostEvent):
    assert journal(Recorded(7, fact)) is None


def test_every_kind_of_fact_is_told_or_silent_on_purpose():
    assert {fact.type for fact, *_ in TOLD} | SILENT == set(FACTS)
    assert not {fact.type for fact, *_ in TOLD} & SILENT


def test_a_debug_line_is_kept_for_those_who_look_for_it():
    assert journal(Recorded(7, LINE.model_copy(update={"level": "debug"}))) is None


@pytest.mark.parametrize("kind", ["image_generated", "image_failed"])
def test_a_picture_is_told_with_its_data(kind: str):
    line = LINE.model_copy(update={"kind": kind, "data": {"index": 1, "bytes": 2}})
    assert (told(line).event, told(line).data) == (kind, {"index": 1, "bytes": 2})


def test_a_completion_carries_its_figures_rounded():
    metrics = completed(RESEARCH).metrics.model_copy(
        update={"duration_s": 1.23456, "cost_usd": 0.12345678}
    )
    data = told(completed(RESEARCH, run=3).model_copy(update={"metrics": metrics})).data
    assert data == {
        "model": "a-model",
        "tokens_in": 10,
        "tokens_out": 20,
        "duration_s": 1.23,
        "cost_usd": 0.123457,
    }


def test_a_failure_carries_everything_a_person_needs():
    failure = failed(RESEARCH, run=3).model_copy(
        update={"attempts": 2, "max_attempts": 4, "traceback": "trace", "raw": "raw"}
    )
    data = told(failure).data
    assert (data["attempt"], data["max_attempts"], data["moved_to_dlq"]) == (2, 4, True)
    assert (data["traceback"], data["raw"], data["error"]) == ("trace", "raw", "it failed")


def test_a_retry_says_which_try_it_was_and_how_long_it_waits():
    entry = told(RETRY)
    assert (entry.data["attempt"], entry.data["max_attempts"]) == (1, 4)
    assert "next in 2.0 s" in entry.message


def test_a_review_entry_names_the_review_a_decision_must_answer():
    assert told(review(RESEARCH, run=3), seq=42).data["review"] == 42


def test_a_wait_is_told_in_utc():
    noon_in_delhi = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert "T06:30:00+00:00" in told(deferred(RESEARCH, run=3, until=noon_in_delhi)).message


@pytest.mark.parametrize(
    "key", ["level", "event", "message", "recorded", "stage", "data", "fact", "self", "seq", "ts"]
)
def test_the_data_of_a_line_may_have_any_names(key: str):
    assert told(LINE.model_copy(update={"data": {key: "x"}})).data == {key: "x"}


def test_a_clean_run_is_told_in_order_and_without_repeats():
    events = [e_.event for r in after(*press()).history if (e_ := journal(r)) is not None]
    assert events == ["pipeline_start", *["stage_complete"] * 6, "pipeline_complete"]


@settings(law, max_examples=100)
@given(fact=facts(), seq=st.integers(1, 2**53))
def test_any_fact_can_be_told_and_stored(fact: e.PostEvent, seq: int):
    entry = journal(Recorded(seq, fact))
    if entry is not None:
        assert (entry.seq, entry.ts) == (seq, fact.at)
        assert to_json(entry)
