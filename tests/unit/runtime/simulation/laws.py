"""What must be true of every life, whatever happened in it. Each law names what broke it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from shared.domain import events as e
from shared.domain.evolve import evolve, fold
from shared.domain.ledger import ledger
from shared.domain.post import Post
from shared.domain.subjects import place_of
from shared.eventlog import History
from tests.unit.runtime.simulation.people import POST
from tests.unit.runtime.simulation.provider import SECRET
from tests.unit.runtime.simulation.rows import followed, rebuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.unit.runtime.simulation.world import World

type Attempts = dict[e.CallName, dict[str, e.Recorded]]


def broken(world: World) -> list[str]:
    """Every law this life broke."""
    return [f"{law.__name__}: {what}" for law in LAWS for what in law(world)]


def nothing_escapes(world: World) -> Iterator[str]:
    yield from world.escaped


def the_flow_is_counted_without_a_gap(world: World) -> Iterator[str]:
    places = [place_of(each.subject) for each in world.memory.messages]
    numbers = [place.number for place in places if place.branch == "flow"]
    if numbers != list(range(len(numbers))):
        yield str(numbers)


def it_ends_where_somebody_or_nobody_is_to_act(world: World) -> Iterator[str]:
    post = fold(world.recorded())
    if post.active is not None:
        yield f"{post.active} is still open"
    if post.held is not None and not post.paused:
        yield f"{post.held} was never woken"


def no_bug_is_reported(world: World) -> Iterator[str]:
    for seq, fact in world.recorded():
        if isinstance(fact, e.StageFailed) and fact.code.startswith(("bug_", "misconfigured")):
            yield f"{seq}: {fact.code} {fact.message[:200]}"


def a_run_ends_once(world: World) -> Iterator[str]:
    kinds = e.StageCompleted | e.StageFailed | e.StageDeferred | e.BudgetExceeded
    ends = Counter(fact.run for _, fact in world.recorded() if isinstance(fact, kinds))
    yield from (f"run {run} ended {times} times" for run, times in ends.items() if times > 1)


def every_attempt_ends(world: World) -> Iterator[str]:
    if _deleted_at(world) is not None:
        return
    for name, facts in _attempts(world).items():
        if "started" in facts and "ended" not in facts:
            yield f"{_told(name)} is open"


def an_attempt_follows_the_end_of_the_one_before(world: World) -> Iterator[str]:
    attempts = _attempts(world)
    for name, facts in attempts.items():
        if name.attempt == 1 or "started" not in facts:
            continue
        before = attempts.get(name.model_copy(update={"attempt": name.attempt - 1}), {})
        if "ended" not in before or before["ended"].seq > facts["started"].seq:
            yield f"{_told(name)} began before the end of its predecessor"


def a_settled_answer_is_never_paid_again(world: World) -> Iterator[str]:
    for name, facts in _attempts(world).items():
        if "started" in facts and (free := _free(world, facts["started"])):
            yield f"{_told(name)} was paid for already at {free}"


def a_question_is_settled_once(world: World) -> Iterator[str]:
    settled = Counter(
        (fact.run, fact.key, fact.request)
        for _, fact in world.recorded()
        if isinstance(fact, e.CallSettled)
    )
    yield from (
        f"{asked} was settled {times} times" for asked, times in settled.items() if times > 1
    )


def no_call_is_tried_too_often_or_too_early(world: World) -> Iterator[str]:
    attempts = _attempts(world)
    for name, facts in attempts.items():
        failed = facts["ended"].fact if "ended" in facts else None
        if not isinstance(failed, e.CallFailed):
            continue
        if failed.tries > world.policy.max_attempts:
            yield f"{_told(name)} was try {failed.tries}"
        after = attempts.get(name.model_copy(update={"attempt": name.attempt + 1}), {})
        if "started" not in after:
            continue
        waited = (after["started"].fact.at - failed.at).total_seconds()
        if failed.wait_s is None or waited < failed.wait_s - 0.001:
            yield f"{_told(name)} was tried again after {waited} s, not {failed.wait_s}"


def deliveries_are_counted_without_a_gap(world: World) -> Iterator[str]:
    counted: dict[int, list[int]] = defaultdict(list)
    for _, fact in world.recorded():
        if isinstance(fact, e.StageStarted):
            counted[fact.run].append(fact.delivery)
    for run, numbers in counted.items():
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"run {run}: {numbers}"


def an_attempt_is_sent_once_and_after_its_claim(world: World) -> Iterator[str]:
    attempts = _attempts(world)
    for name, times in Counter(sent.name for sent in world.sent).items():
        if times > 1:
            yield f"{_told(name)} was sent {times} times"
        if "started" not in attempts.get(name, {}):
            yield f"{_told(name)} was sent without a claim"


def what_was_charged_is_booked_once_or_named(world: World) -> Iterator[str]:
    """An answer that reached a worker that lived is booked to the cent; others are named."""
    book = ledger(world.recorded())
    booked = Counter(bill.request_id for bill in book.bills if bill.request_id)
    named = {each.call for each in book.unconfirmed}
    for sent in world.sent:
        if not sent.answered:
            continue
        certain = sent.heard and sent.process.alive
        if booked[sent.id] != 1 and (certain or sent.name not in named):
            yield f"{sent.id} ({_told(sent.name)}) is booked {booked[sent.id]} times"


def nothing_is_said_of_a_deleted_post(world: World) -> Iterator[str]:
    deleted = _deleted_at(world)
    if deleted is None:
        return
    for each in world.memory.messages[deleted:]:
        if SECRET.encode() in each.data:
            yield f"{each.seq} {each.subject} still says what the model said"


def no_claim_is_stored_for_a_run_that_is_not_open(world: World) -> Iterator[str]:
    post = Post()
    for recorded in world.recorded():
        fact = recorded.fact
        if isinstance(fact, e.FlowFact):
            post = evolve(post, recorded)
        elif isinstance(fact, e.CallStarted) and (not post.active or post.active.run != fact.run):
            yield f"{_told(fact.name)} was claimed at {recorded.seq}, while open was {post.active}"


def a_wish_is_carried_out_once(world: World) -> Iterator[str]:
    named = Counter(
        fact.command.id
        for _, fact in world.recorded()
        if isinstance(fact, e.FlowFact) and fact.command is not None
    )
    yield from (
        f"command {name} was done {times} times" for name, times in named.items() if times > 1
    )


def what_was_answered_stands_in_the_log(world: World) -> Iterator[str]:
    facts = dict(world.recorded())
    for asked in world.people.asked:
        for answer in asked.answers:
            if isinstance(answer, History):
                lost = [seq for seq, fact in answer.flow if facts.get(seq) != fact]
                yield from (f"{asked.command} was told of {seq}" for seq in lost)


def the_rows_are_the_fold_of_the_log(world: World) -> Iterator[str]:
    """However the log was cut into batches, and as a rebuild writes them."""
    rows, anew = followed(world.memory.messages, world.dice), rebuilt(world.memory.messages)
    for table, kept in rows.tables.items():
        if kept != anew.tables[table]:
            yield f"{table} differ from a rebuild"
    if rows.states([POST.id]) != {POST.id: fold(world.recorded())}:
        yield "the row's state is not the fold"


LAWS: tuple[Callable[[World], Iterable[str]], ...] = (
    nothing_escapes,
    the_flow_is_counted_without_a_gap,
    it_ends_where_somebody_or_nobody_is_to_act,
    no_bug_is_reported,
    a_run_ends_once,
    every_attempt_ends,
    an_attempt_follows_the_end_of_the_one_before,
    a_settled_answer_is_never_paid_again,
    a_question_is_settled_once,
    no_call_is_tried_too_often_or_too_early,
    deliveries_are_counted_without_a_gap,
    an_attempt_is_sent_once_and_after_its_claim,
    what_was_charged_is_booked_once_or_named,
    nothing_is_said_of_a_deleted_post,
    no_claim_is_stored_for_a_run_that_is_not_open,
    a_wish_is_carried_out_once,
    what_was_answered_stands_in_the_log,
    the_rows_are_the_fold_of_the_log,
)


def _told(name: e.CallName) -> str:
    return f"{name.stage}.{name.run}.{name.key}.{name.attempt}"


def _deleted_at(world: World) -> int | None:
    deleted = (seq for seq, fact in world.recorded() if isinstance(fact, e.PostDeleted))
    return next(deleted, None)


def _attempts(world: World) -> Attempts:
    found: Attempts = defaultdict(dict)
    for recorded in world.recorded():
        if isinstance(recorded.fact, e.CallFact):
            found[recorded.fact.name][recorded.fact.EVENT] = recorded
    return found


def _free(world: World, claim: e.Recorded) -> int | None:
    """Where the log held a free answer when this attempt was claimed, by a reading of our own."""
    started = claim.fact
    assert isinstance(started, e.CallStarted)
    facts = dict(world.recorded())
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
