"""The rows of notices: what has to be told, how far each attempt has come, and when it is due."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.projector.projection import due_at, project
from shared.domain import events as e
from shared.domain.events import Recorded
from shared.domain.post import Held, Post
from shared.domain.values import GateMode, Stage
from shared.testing import NOW, OTHER, POST
from tests.unit.projector.stories import article, deleted, shifted
from tests.unit.projector.tape import message, taped

if TYPE_CHECKING:
    from services.projector.rows import NoticeRow

ATTEMPT: dict[str, Any] = {"post_id": POST, "at": NOW, "told": 5, "attempt": 1, "event": "review"}
SOON = NOW + timedelta(seconds=10)
STARTED = e.NoticeStarted(**ATTEMPT)
DELIVERED = e.NoticeDelivered(**ATTEMPT, status=204)
FAILED = e.NoticeFailed(**ATTEMPT, code="timeout", due=SOON)
GIVEN_UP = e.NoticeFailed(**ATTEMPT, code="timeout")
SKIPPED = e.NoticeSkipped(**ATTEMPT, reason="no_webhook")
REVIEW = e.ReviewRequested(post_id=POST, at=NOW, stage=Stage.RESEARCH, run=3, mode=GateMode.REVIEW)


def noticed(*facts: e.PostEvent, begin: int = 5) -> list[NoticeRow]:
    told = [message(seq, fact, 0) for seq, fact in enumerate(facts, begin)]
    return list(project(told, {}).notices)


def test_what_is_to_be_told_is_due_at_once() -> None:
    (row,) = noticed(REVIEW)
    assert row[:-1] == (POST, 5, "main", "review", 0, "waiting", NOW)


def test_a_finished_article_is_told_once() -> None:
    rows = project(taped(article(POST)), {}).notices
    assert [(row.event, row.state, row.attempt) for row in rows] == [("complete", "waiting", 0)]


@pytest.mark.parametrize(
    ("facts", "state", "due"),
    [
        ([STARTED], "sending", NOW + timedelta(seconds=60)),
        ([STARTED, DELIVERED], "delivered", None),
        ([STARTED, FAILED], "waiting", SOON),
        ([STARTED, GIVEN_UP], "given_up", None),
        ([SKIPPED], "skipped", None),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_the_last_word_on_an_attempt_counts(
    facts: list[e.PostEvent], state: str, due: object, *, apart: bool
) -> None:
    rows = noticed(*facts[-1:], begin=7) if apart else noticed(REVIEW, *facts)
    (row,) = rows
    assert (row.post_id, row.seq, row.attempt) == (POST, 5, 1)
    assert (row.state, row.due_at) == (state, due)
    assert row.changed_seq == (7 if apart else 5 + len(facts))


def test_notices_of_a_deleted_post_go_with_it() -> None:
    history = article(POST)
    flow = sum(isinstance(each.fact, e.FlowFact) for each in history)
    gone = deleted(POST, history)
    late = Recorded(gone.seq + 1, STARTED)
    others = shifted(article(OTHER), gone.seq + 1)
    batch = [*taped(history), message(gone.seq, gone.fact, flow), *taped([late, *others])]
    changes = project(batch, {})
    assert {row.post_id for row in changes.notices} == {OTHER}
    assert changes.erased == (POST,)


def test_a_notice_leaves_the_row_of_its_post_alone() -> None:
    changes = project(taped([Recorded(9, STARTED), Recorded(10, DELIVERED)]), {})
    assert (changes.posts, changes.states) == ((), {})
    assert [entry.message for entry in changes.entries] == ["The webhook was told: a review waits"]


def test_a_paused_run_is_not_due_however_late_it_is() -> None:
    held = Held(1, Stage.WRITE, until=NOW)
    assert due_at(Post(held=held)) == NOW
    assert due_at(Post(held=held, paused=True)) is None
