"""A fact and its subject say the same, and nothing of ours stands anywhere else."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import events as e
from shared.domain.events import FACTS, Fact
from shared.domain.subjects import MAIN, Place, PostRef, check_place, place_of, subject_of
from shared.domain.values import Stage
from shared.errors import Malformed
from shared.testing import NOW, OTHER, POST
from shared.testing.arbitrary import HOSTILE, facts
from shared.testing.billing import abandoned, billed_late, claimed, settled, taken_up
from shared.testing.histories import law
from shared.testing.vocabulary import completed, created, deleted, pipeline_completed, requested

REF = PostRef(MAIN, POST)
AT = f"posts.main.{POST}"


@pytest.mark.parametrize(
    ("fact", "n", "subject"),
    [
        (created(), 0, "flow.post.created.0"),
        (requested(Stage.WRITE), 7, "flow.write.requested.7"),
        (completed(Stage.READY, run=3), 12, "flow.ready.completed.12"),
        (pipeline_completed(), 13, "flow.post.completed.13"),
        (deleted(), 999, "flow.post.deleted.999"),
        (claimed(3, "image-2", 4), 0, "call.research.3.image-2.4.started"),
        (settled(3, "image-2", 4), 0, "call.research.3.image-2.4.ended"),
        (abandoned(3, "image-2", 4), 0, "call.research.3.image-2.4.ended"),
        (billed_late(3, "image-2", 4), 0, "call.research.3.image-2.4.late"),
        (taken_up(2), 0, "call.research.3.delivery.2.started"),
        (
            e.Progressed(
                post_id=POST, at=NOW, stage=Stage.EDIT, run=3, level="warning", message="m"
            ),
            0,
            "log.edit.warning",
        ),
        (
            e.NoticeStarted(post_id=POST, at=NOW, told=17, attempt=2, event="failed"),
            0,
            "notice.17.2.started",
        ),
        (
            e.NoticeDelivered(post_id=POST, at=NOW, told=17, attempt=2, event="failed", status=204),
            0,
            "notice.17.2.ended",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_branch_of_the_log_has_its_subjects(fact: Fact, n: int, subject: str):
    assert subject_of(REF, fact, n) == f"{AT}.{subject}"


def test_the_filters_of_a_post_are_what_its_subjects_begin_with():
    assert REF.flow == f"{AT}.flow.>"
    assert REF.calls(Stage.WRITE, 9) == f"{AT}.call.write.9.>"


@law
@given(fact=facts(), n=st.integers(0, 1000))
def test_a_fact_is_found_where_its_subject_says(fact: e.PostEvent, n: int):
    ref = PostRef(MAIN, fact.post_id)
    subject = subject_of(ref, fact, n)
    place = place_of(subject)
    check_place(fact, place, subject)
    assert place.post == ref
    assert place.event == (fact.level if isinstance(fact, e.Progressed) else fact.EVENT)
    assert " " not in subject
    assert "*" not in subject
    assert ">" not in subject
    if isinstance(fact, e.CallFact):
        assert place[3:] == (fact.EVENT, fact.attempt, fact.run, fact.key)
    if isinstance(fact, e.NoticeFact):
        assert place[1:] == ("notice", "", fact.EVENT, fact.attempt, fact.told, "")


@pytest.mark.parametrize("kind", sorted(FACTS))
def test_facts_of_different_kinds_share_a_subject_only_where_one_excludes_the_other(kind: str):
    fact = FACTS[kind]
    same = {
        other.__name__
        for other in FACTS.values()
        if other.EVENT == fact.EVENT and other.__mro__[1] is fact.__mro__[1]
    }
    shared = (
        {"CallSettled", "CallFailed", "CallAbandoned", "CallReused"},
        {"NoticeStarted", "NoticeSkipped"},
        {"NoticeDelivered", "NoticeFailed"},
    )
    assert same in shared or len(same) == 1


@law
@given(fact=facts(), other=facts(), n=st.integers(0, 1000))
def test_a_fact_at_another_s_place_is_noticed(fact: e.PostEvent, other: e.PostEvent, n: int):
    subject = subject_of(PostRef(MAIN, other.post_id), other, n)
    if subject_of(PostRef(MAIN, fact.post_id), fact, n) != subject:
        with pytest.raises(Malformed):
            check_place(fact, place_of(subject), subject)


def test_a_fact_of_another_post_is_noticed():
    subject = subject_of(PostRef(MAIN, OTHER), created(), 0)
    with pytest.raises(Malformed):
        check_place(created(), place_of(subject), subject)


@pytest.mark.parametrize(
    "key", [*HOSTILE, "delivery", "Draft", "-a", "a.b", "a_b", "a" * 65, "a\n"]
)
def test_a_key_that_cannot_stand_in_a_subject_names_no_call(key: str):
    with pytest.raises(Malformed):
        subject_of(REF, claimed(key=key))


@pytest.mark.parametrize("key", ["a", "0", "image-3", "a" * 64, "x--y-"])
def test_a_plain_key_names_a_call(key: str):
    assert place_of(subject_of(REF, claimed(key=key))).key == key


def test_a_fact_of_no_kind_we_know_has_no_place():
    with pytest.raises(Malformed):
        subject_of(REF, Fact(post_id=POST, at=NOW))


@law
@given(
    st.text()
    | st.lists(
        st.sampled_from(
            [
                "posts",
                "main",
                str(POST),
                "flow",
                "call",
                "log",
                "post",
                "created",
                "0",
                "-1",
                "",
                "x",
            ]
        )
        | st.text(max_size=4),
        max_size=10,
    ).map(".".join)
)
def test_a_hostile_subject_is_malformed_or_taken_apart(subject: str):
    try:
        place = place_of(subject)
    except Malformed:
        return
    assert isinstance(place, Place)
    with pytest.raises(Malformed):
        check_place(created().model_copy(update={"post_id": UUID(int=0)}), place, subject)


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "posts",
        f"posts.main.{POST}",
        "posts.main.no-uuid.flow.post.created.0",
        f"{AT}.flow.post.created",
        f"{AT}.flow.post.created.0.1",
        f"{AT}.flow.post.created.first",
        f"{AT}.flow.post.created." + "9" * 5000,
        f"{AT}.call.write.3.draft.1",
        f"{AT}.call.write.three.draft.1.started",
        f"{AT}.notice.17.started",
        f"{AT}.notice.17.two.started",
        f"{AT}.notice.-17.1.started",
        f"{AT}.nothing.write.info",
        f"slugs.main.{POST}.flow.post.created.0",
        "slugs.main.none.a-slug",
        "." * 9,
    ],
)
def test_a_subject_of_another_shape_is_malformed(subject: str):
    with pytest.raises(Malformed) as caught:
        place_of(subject)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "subject",
    [
        f"posts.main.{str(POST).upper()}.flow.post.created.0",
        f"posts.main.{POST.hex}.flow.post.created.0",
        f"posts.main.{{{POST}}}.flow.post.created.0",
        f"{AT}.flow.post.created.00",
        f"{AT}.flow.post.created.+0",
        f"{AT}.flow.post.created. 0",
        f"{AT}.flow.post.created.0_0",
        f"{AT}.flow.post.created.\u0660",
        f"{AT}.flow.research.created.0",
        f"{AT}.flow.post.configured.0",
        f"{AT}.log.post.created",
    ],
)
def test_only_the_one_canonical_spelling_is_accepted(subject: str):
    with pytest.raises(Malformed):
        check_place(created(), place_of(subject), subject)


def test_a_negative_number_is_no_place_in_a_history():
    subject = f"{AT}.flow.post.created.-1"
    with pytest.raises(Malformed):
        check_place(created(), place_of(subject), subject)
