"""What must be true of one post's log, whatever happened to whoever wrote it.

Every law names what broke it. The simulation holds its lives to them, the storms their posts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from shared.domain import events as e
from shared.domain.evolve import evolve, fold
from shared.domain.post import Post
from shared.domain.subjects import place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shared.eventlog import Stored

type Attempts = dict[e.CallName, dict[str, e.Recorded]]


@dataclass(frozen=True)
class Told:
    """All messages of one post, in log order."""

    messages: Sequence[Stored]

    @cached_property
    def facts(self) -> list[e.Recorded]:
        return [e.Recorded(each.seq, each.fact) for each in self.messages if each.fact]

    @cached_property
    def attempts(self) -> Attempts:
        found: Attempts = defaultdict(dict)
        for recorded in self.facts:
            if isinstance(recorded.fact, e.CallFact):
                found[recorded.fact.name][recorded.fact.EVENT] = recorded
        return found

    @cached_property
    def post(self) -> Post:
        return fold(self.facts)

    @cached_property
    def deleted_at(self) -> int | None:
        return next((seq for seq, fact in self.facts if isinstance(fact, e.PostDeleted)), None)


def broken(told: Told) -> list[str]:
    """Every law this log breaks."""
    return [f"{law.__name__}: {what}" for law in LAWS for what in law(told)]


def the_flow_is_counted_without_a_gap(told: Told) -> Iterator[str]:
    places = [place_of(each.subject) for each in told.messages]
    numbers = [place.number for place in places if place.branch == "flow"]
    whole = told.deleted_at is None or numbers[:1] == [0]
    if whole and numbers != list(range(len(numbers))):
        yield str(numbers)


def it_ends_where_somebody_or_nobody_is_to_act(told: Told) -> Iterator[str]:
    if told.post.active is not None:
        yield f"{told.post.active} is still open"
    if told.post.held is not None and not told.post.paused:
        yield f"{told.post.held} was never woken"


def no_bug_is_reported(told: Told) -> Iterator[str]:
    for seq, fact in told.facts:
        if isinstance(fact, e.StageFailed) and fact.code.startswith(("bug_", "misconfigured")):
            yield f"{seq}: {fact.code} {fact.message[:200]}"


def a_run_ends_once(told: Told) -> Iterator[str]:
    kinds = e.StageCompleted | e.StageFailed | e.StageDeferred | e.BudgetExceeded
    ends = Counter(fact.run for _, fact in told.facts if isinstance(fact, kinds))
    yield from (f"run {run} ended {times} times" for run, times in ends.items() if times > 1)


def every_attempt_ends(told: Told) -> Iterator[str]:
    if told.deleted_at is not None:
        return
    for name, facts in told.attempts.items():
        if "started" in facts and "ended" not in facts:
            yield f"{spelled(name)} is open"


def an_attempt_follows_the_end_of_the_one_before(told: Told) -> Iterator[str]:
    for name, facts in told.attempts.items():
        if name.attempt == 1 or "started" not in facts:
            continue
        earlier = name.model_copy(update={"attempt": name.attempt - 1})
        before = told.attempts.get(earlier, {})
        if "ended" not in before or before["ended"].seq > facts["started"].seq:
            yield f"{spelled(name)} began before the end of its predecessor"


def a_settled_answer_is_never_paid_again(told: Told) -> Iterator[str]:
    for name, facts in told.attempts.items():
        if "started" in facts and (free := _free(told, facts["started"])):
            yield f"{spelled(name)} was paid for already at {free}"


def a_question_is_settled_once(told: Told) -> Iterator[str]:
    settled = Counter(
        (fact.run, fact.key, fact.request)
        for _, fact in told.facts
        if isinstance(fact, e.CallSettled)
    )
    yield from (
        f"{asked} was settled {times} times" for asked, times in settled.items() if times > 1
    )


def deliveries_are_counted_without_a_gap(told: Told) -> Iterator[str]:
    counted: dict[int, list[int]] = defaultdict(list)
    for _, fact in told.facts:
        if isinstance(fact, e.StageStarted):
            counted[fact.run].append(fact.delivery)
    for run, numbers in counted.items():
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"run {run}: {numbers}"


def no_claim_is_stored_for_a_run_that_is_not_open(told: Told) -> Iterator[str]:
    post = Post()
    for recorded in told.facts:
        fact = recorded.fact
        if isinstance(fact, e.FlowFact):
            post = evolve(post, recorded)
        elif isinstance(fact, e.CallStarted) and (not post.active or post.active.run != fact.run):
            yield f"{spelled(fact.name)} was claimed while open was {post.active}"


def a_wish_is_carried_out_once(told: Told) -> Iterator[str]:
    named = Counter(
        fact.command.id
        for _, fact in told.facts
        if isinstance(fact, e.FlowFact) and fact.command is not None
    )
    yield from (f"command {name} was done {n} times" for name, n in named.items() if n > 1)


LAWS: tuple[Callable[[Told], Iterable[str]], ...] = (
    the_flow_is_counted_without_a_gap,
    it_ends_where_somebody_or_nobody_is_to_act,
    no_bug_is_reported,
    a_run_ends_once,
    every_attempt_ends,
    an_attempt_follows_the_end_of_the_one_before,
    a_settled_answer_is_never_paid_again,
    a_question_is_settled_once,
    deliveries_are_counted_without_a_gap,
    no_claim_is_stored_for_a_run_that_is_not_open,
    a_wish_is_carried_out_once,
)


def spelled(name: e.CallName) -> str:
    """An attempt in one word."""
    return f"{name.stage}.{name.run}.{name.key}.{name.attempt}"


def _free(told: Told, claim: e.Recorded) -> int | None:
    """Where the log held a free answer when this attempt was claimed, by a reading of our own."""
    started = claim.fact
    assert isinstance(started, e.CallStarted)
    facts = dict(told.facts)
    until, run = claim.seq, started.run
    while True:
        for seq, fact in facts.items():
            if _answers(fact, run, started) and seq < until:
                return seq
        request = facts.get(run)
        if not isinstance(request, e.StageRequested) or request.resumes is None:
            return None
        until = min(until, started.run)
        run = request.resumes
        if any(isinstance(fact, e.StageFailed) and fact.run == run for fact in facts.values()):
            return None


def _answers(fact: e.PostEvent, run: int, started: e.CallStarted) -> bool:
    return (
        isinstance(fact, e.CallSettled)
        and (fact.run, fact.key, fact.request) == (run, started.key, started.request)
        and fact.text is not None
    )
