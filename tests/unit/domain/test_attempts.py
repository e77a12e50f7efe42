"""What is settled is free, what was tried is counted, and what is open is named."""

from __future__ import annotations

from hypothesis import given as forall

from shared.domain import events as e
from shared.domain.attempts import MAX_DEATHS, CallJournal, Link, lineage
from shared.domain.values import Stage
from shared.testing import LATER, after, given
from shared.testing.billing import (
    abandoned,
    billed_late,
    claimed,
    journals,
    recorded,
    refused,
    reused,
    settled,
    taken_up,
)
from shared.testing.histories import law
from shared.testing.vocabulary import (
    cancel,
    complete,
    create,
    created,
    defer,
    exceed,
    fail,
    press,
    reject,
    requested,
    reviewed,
    run,
    start,
    started,
    wake,
)

RESEARCH = Stage.RESEARCH


def journal(*facts: e.PostEvent, run: int = 3, first: int = 100) -> CallJournal:
    """The journal of one run that continues none."""
    return CallJournal([Link(run, None, counts=True)], recorded(facts, first))


# --- lineage ----------------------------------------------------------------------------------


def test_a_first_run_continues_none():
    assert lineage(after(create()).history, 3) == (Link(3, None, counts=True),)


def test_a_retry_continues_the_failed_run_which_names_its_call_and_counts_no_tries():
    story = after(create(), fail(RESEARCH, call="draft"), start())
    assert lineage(story.history, 6) == (Link(6, None, counts=True), Link(3, "draft", counts=False))


def test_a_woken_run_continues_the_deferred_one_with_its_tries():
    story = after(create(), defer(RESEARCH)).when(wake(), at=LATER).then_something()
    assert lineage(story.history, 5) == (Link(5, None, counts=True), Link(3, None, counts=True))


def test_a_run_woken_by_a_budget_counts_on_as_well():
    story = after(create(), exceed(RESEARCH)).when(wake(), at=LATER).then_something()
    assert lineage(story.history, 5) == (Link(5, None, counts=True), Link(3, None, counts=True))


def test_a_run_started_again_after_a_cancellation_counts_from_one():
    story = after(create(), cancel(), start())
    assert lineage(story.history, 6) == (Link(6, None, counts=True), Link(3, None, counts=False))


def test_a_deferred_run_that_was_cancelled_and_started_again_counts_from_one():
    story = after(create(), defer(RESEARCH), cancel(), start())
    assert lineage(story.history, 7) == (Link(7, None, counts=True), Link(3, None, counts=False))


def test_tries_before_a_person_s_retry_stay_forgotten_after_a_deferral():
    story = after(create(), fail(RESEARCH, call="draft"), start(), defer(RESEARCH))
    story = story.when(wake(), at=LATER).then_something()
    assert lineage(story.history, 8) == (
        Link(8, None, counts=True),
        Link(6, None, counts=True),
        Link(3, "draft", counts=False),
    )


def test_a_rerun_and_a_rejected_run_continue_none():
    assert len(lineage(after(*press(RESEARCH), fail(Stage.OUTLINE), run(RESEARCH)).history, 8)) == 1
    story = after(create(reviewed(RESEARCH)), complete(RESEARCH), reject())
    assert len(lineage(story.history, 7)) == 1


def test_a_run_that_claims_to_continue_itself_is_followed_once():
    story = given(created(), started(), requested(RESEARCH, resumes=3))
    assert [link.run for link in lineage(story.history, 3)] == [3]


def test_a_run_nobody_requested_stands_alone():
    assert lineage((), 3) == (Link(3, None, counts=True),)


# --- settled ----------------------------------------------------------------------------------


def test_nothing_is_free_before_it_was_paid_for():
    assert journal().settled("draft", "asked") is None
    assert journal(claimed()).settled("draft", "asked") is None


def test_a_settled_answer_is_free_for_ever():
    assert journal(claimed(), settled()).settled("draft", "asked") == settled()


def test_an_answer_is_free_only_for_an_equal_request_of_the_same_call():
    paid = journal(claimed(), settled())
    assert paid.settled("draft", "asked otherwise") is None
    assert paid.settled("manifest", "asked") is None


def test_the_answer_of_a_second_attempt_is_as_good():
    paid = journal(claimed(), refused(), claimed(attempt=2), settled(attempt=2))
    assert paid.settled("draft", "asked") == settled(attempt=2)


def test_an_answer_that_came_too_late_is_never_used():
    assert journal(claimed(), abandoned(), billed_late()).settled("draft", "asked") is None


def test_an_answer_whose_text_was_not_kept_is_no_answer():
    assert journal(claimed(), settled(text=None)).settled("draft", "asked") is None


def test_what_a_fork_s_parent_paid_for_is_free():
    assert journal(reused()).settled("draft", "asked") == reused()


def test_another_run_s_answers_are_not_free():
    assert journal(claimed(run=9), settled(run=9)).settled("draft", "asked") is None


def resuming(*facts: e.PostEvent, call: str | None = None, first: int = 10) -> CallJournal:
    """Run 50, which continues run 3."""
    links = [Link(50, None, counts=True), Link(3, call, counts=False)]
    return CallJournal(links, recorded(facts, first))


def test_what_the_continued_run_settled_is_free():
    assert resuming(claimed(), settled()).settled("draft", "asked") == settled()


def test_the_own_run_comes_first():
    facts = [*recorded([claimed(), settled()], 10)]
    facts += recorded([claimed(run=50), settled(run=50, text="newer")], 60)
    both = CallJournal([Link(50, None, counts=True), Link(3, None, counts=True)], facts)
    assert both.settled("draft", "asked") == settled(run=50, text="newer")


def test_what_the_continued_run_settled_after_this_one_was_requested_is_not_free():
    assert resuming(claimed(), settled(), first=49).settled("draft", "asked") is None
    assert resuming(claimed(), settled(), first=48).settled("draft", "asked") == settled()


def test_the_call_that_failed_for_good_is_asked_again_and_what_came_before_is_free():
    facts = (
        claimed(key="plan"),
        settled(key="plan"),
        claimed(key="draft"),
        settled(key="draft"),
        claimed(key="check"),
        settled(key="check"),
    )
    failed_at_draft = resuming(*facts, call="draft")
    assert failed_at_draft.settled("plan", "asked") == settled(key="plan")
    assert failed_at_draft.settled("draft", "asked") is None
    assert failed_at_draft.settled("check", "asked") is None


def test_a_failed_call_that_was_settled_further_back_is_asked_again():
    links = [
        Link(90, None, counts=True),
        Link(50, "draft", counts=False),
        Link(3, None, counts=True),
    ]
    facts = (claimed(key="plan"), settled(key="plan"), claimed(), settled())
    far = CallJournal(links, recorded(facts, 10))
    assert far.settled("draft", "asked") is None
    assert far.settled("plan", "asked") == settled(key="plan")


def test_a_failure_cuts_only_its_own_run_and_those_before_it():
    links = [
        Link(90, None, counts=True),
        Link(50, None, counts=True),
        Link(3, "draft", counts=False),
    ]
    facts = [*recorded([claimed(), settled()], 10), *recorded([claimed(50), settled(50)], 60)]
    assert CallJournal(links, facts).settled("draft", "asked") == settled(50)


def test_the_own_run_is_never_cut():
    facts = recorded([claimed(50), settled(50)], 60)
    links = [Link(50, None, counts=True), Link(3, "draft", counts=False)]
    assert CallJournal(links, facts).settled("draft", "asked") == settled(50)


# --- tries, deaths, open attempts -------------------------------------------------------------


def test_tries_are_counted_per_call():
    tried = journal(claimed(), refused(), claimed(key="other"), refused(key="other"))
    assert tried.failures("draft") == (refused(),)
    assert tried.failures("nothing") == ()


def test_an_abandoned_or_settled_attempt_is_no_failed_try():
    tried = journal(claimed(), abandoned(), claimed(attempt=2), settled(attempt=2))
    assert tried.failures("draft") == ()


def test_tries_count_through_runs_that_waited_and_not_through_runs_that_failed():
    links = [
        Link(90, None, counts=True),
        Link(50, None, counts=True),
        Link(3, "draft", counts=False),
    ]
    facts = recorded([claimed(3), refused(3), claimed(50), refused(50), claimed(90), refused(90)])
    assert CallJournal(links, facts).failures("draft") == (refused(50), refused(90))


def test_the_last_attempt_is_the_newest_of_this_run():
    assert journal().last("draft")[0] == 0
    number, attempt = journal(claimed(), refused(), claimed(attempt=2)).last("draft")
    assert (number, attempt.started, attempt.ended) == (2, claimed(attempt=2), None)
    assert attempt.open
    assert resuming(claimed(), settled()).last("draft")[0] == 0


def test_open_attempts_are_named_in_the_order_of_their_claims():
    seen = journal(
        claimed(key="b"), claimed(key="a"), claimed(key="c"), settled(key="c"), claimed(run=9)
    )
    assert seen.open() == (claimed(key="b"), claimed(key="a"))


def test_whatever_ends_an_attempt_closes_it():
    for end in (settled(), refused(), abandoned()):
        assert journal(claimed(), end).open() == ()


def test_a_fact_taken_later_counts_like_one_read():
    seen = journal(claimed())
    seen.take(e.Recorded(200, settled()))
    assert seen.open() == ()
    assert seen.settled("draft", "asked") == settled()


def test_what_the_run_itself_paid_for_is_listed_in_order():
    seen = journal(
        claimed(key="b"), claimed(key="a"), settled(key="a"), settled(key="b"), settled(run=9)
    )
    assert seen.settled_calls() == (settled(key="a"), settled(key="b"))


def test_the_newest_delivery_counts_and_a_worker_knows_its_own():
    assert journal().delivery() == 0
    seen = journal(taken_up(1, worker="w1"), taken_up(2, worker="w2"), taken_up(7, run=9))
    assert (seen.delivery(), seen.delivery_of("w1"), seen.delivery_of("w2")) == (2, 1, 2)
    assert seen.delivery_of("w3") is None


def test_the_run_began_with_its_first_delivery():
    assert journal().started_at() is None
    first = journal(taken_up(1), taken_up(2)).started_at()
    assert first is not None
    assert first.fact == taken_up(1)


def test_deliveries_without_a_settled_call_are_deaths():
    assert journal().deaths() == 0
    assert journal(taken_up(1)).deaths() == 1
    deaths = [taken_up(number) for number in range(1, MAX_DEATHS + 1)]
    assert journal(*deaths).deaths() == MAX_DEATHS


def test_a_settled_call_forgives_the_deaths_before_it():
    seen = journal(taken_up(1), taken_up(2), claimed(), settled(), taken_up(3))
    assert seen.deaths() == 1


def test_a_failed_or_lost_call_forgives_nothing():
    for end in (refused(), abandoned()):
        assert journal(taken_up(1), claimed(), end, taken_up(2)).deaths() == 2


def test_handing_a_run_back_on_purpose_is_no_death():
    drained = abandoned(reason="drained")
    assert journal(taken_up(1), claimed(), drained, taken_up(2)).deaths() == 1


def test_another_run_s_progress_forgives_nothing():
    assert journal(taken_up(1), settled(run=9), taken_up(2)).deaths() == 2


@law
@forall(journals())
def test_an_attempt_is_either_open_or_ended(facts: tuple[e.Recorded, ...]):
    for run_ in range(1, 5):
        seen = CallJournal([Link(run_, None, counts=True)], facts)
        claims = {f.name for _, f in facts if isinstance(f, e.CallStarted) and f.run == run_}
        ends = {
            f.name
            for _, f in facts
            if isinstance(f, e.CallSettled | e.CallFailed | e.CallAbandoned) and f.run == run_
        }
        assert {claim.name for claim in seen.open()} == claims - ends
        assert len(seen.settled_calls()) == sum(
            isinstance(f, e.CallSettled) and f.run == run_ for _, f in facts
        )
