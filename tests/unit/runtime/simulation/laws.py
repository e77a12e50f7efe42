"""What must be true of every life, whatever happened in it. Each law names what broke it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shared.domain import events as e
from shared.domain.evolve import fold
from shared.domain.ledger import ledger
from shared.eventlog import History
from tests import laws
from tests.laws import spelled
from tests.unit.runtime.simulation.people import POST
from tests.unit.runtime.simulation.provider import SECRET
from tests.unit.runtime.simulation.rows import followed, rebuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tests.unit.runtime.simulation.world import World


def broken(world: World) -> list[str]:
    """Every law this life broke, and every law of the log."""
    mine = [f"{law.__name__}: {what}" for law in LAWS for what in law(world)]
    return [*mine, *laws.broken(world.told())]


def nothing_escapes(world: World) -> Iterator[str]:
    yield from world.escaped


def no_call_is_tried_too_often_or_too_early(world: World) -> Iterator[str]:
    attempts = world.told().attempts
    for name, facts in attempts.items():
        failed = facts["ended"].fact if "ended" in facts else None
        if not isinstance(failed, e.CallFailed):
            continue
        if failed.tries > world.policy.max_attempts:
            yield f"{spelled(name)} was try {failed.tries}"
        after = attempts.get(name.model_copy(update={"attempt": name.attempt + 1}), {})
        if "started" not in after:
            continue
        waited = (after["started"].fact.at - failed.at).total_seconds()
        if failed.wait_s is None or waited < failed.wait_s - 0.001:
            yield f"{spelled(name)} was tried again after {waited} s, not {failed.wait_s}"


def an_attempt_is_sent_once_and_after_its_claim(world: World) -> Iterator[str]:
    attempts = world.told().attempts
    for name, times in Counter(sent.name for sent in world.sent).items():
        if times > 1:
            yield f"{spelled(name)} was sent {times} times"
        if "started" not in attempts.get(name, {}):
            yield f"{spelled(name)} was sent without a claim"


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
            yield f"{sent.id} ({spelled(sent.name)}) is booked {booked[sent.id]} times"


def nothing_is_said_of_a_deleted_post(world: World) -> Iterator[str]:
    deleted = world.told().deleted_at
    if deleted is None:
        return
    for each in world.memory.messages[deleted:]:
        if SECRET.encode() in each.data:
            yield f"{each.seq} {each.subject} still says what the model said"


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
    no_call_is_tried_too_often_or_too_early,
    an_attempt_is_sent_once_and_after_its_claim,
    what_was_charged_is_booked_once_or_named,
    nothing_is_said_of_a_deleted_post,
    what_was_answered_stands_in_the_log,
    the_rows_are_the_fold_of_the_log,
)
