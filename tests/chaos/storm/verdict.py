"""What must be true after a storm, I1 to I9; each law names what broke it."""

from __future__ import annotations

from collections import Counter
from math import fsum, inf
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.domain.events import CallSettled, PostDeleted
from shared.domain.journal import journal
from shared.domain.ledger import ledger
from shared.domain.status import current_stage, waits_for
from tests import laws
from tests.laws import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shared.domain.events import Spent
    from tests.chaos.storm.evidence import Evidence
    from tests.chaos.storm.people import Answered
    from tests.chaos.storm.watchers import Watcher

CENT = 1e-9


class Seen:
    """What people and watchers were told while it raged, beside what was left."""

    def __init__(
        self,
        evidence: Evidence,
        answered: Sequence[Answered],
        odd: Sequence[str],
        watchers: dict[str, Watcher],
    ) -> None:
        self.evidence = evidence
        self.answered = answered
        self.odd = odd
        self.watchers = watchers
        self.told = {post: Told(messages) for post, messages in evidence.posts.items()}

    @property
    def kept(self) -> Iterator[tuple[UUID, Told]]:
        """The posts that were not deleted."""
        return ((post, told) for post, told in self.told.items() if told.deleted_at is None)


def broken(seen: Seen) -> list[str]:
    """Every law that does not hold."""
    return [f"{law.__name__}: {what}" for law in LAWS for what in law(seen)]


def i1_every_accepted_change_is_in_the_log(seen: Seen) -> Iterator[str]:
    for post, what, seq in seen.answered:
        told = seen.told.get(UUID(post))
        if told is None:
            yield f"{what}: nothing of {post} is in the log"
        elif told.deleted_at is None and seq not in {each.seq for each in told.messages}:
            yield f"{what} was told {seq}, which is not there"


def i2_every_law_of_the_log_holds_for_every_post(seen: Seen) -> Iterator[str]:
    for post, told in seen.told.items():
        yield from (f"{post}: {what}" for what in laws.broken(told))


def i3_the_books_and_the_bill_differ_by_the_unconfirmed_alone(seen: Seen) -> Iterator[str]:
    """Every answer the books know was given, and what they do not know is within its bounds. Of a
    deleted post the books are its closing ledger, which knows no bounds."""
    books = [ledger(told.facts) for _, told in seen.kept]
    closed = [line for told in seen.told.values() for line in _closing(told)]
    booked = fsum([*(book.settled_usd for book in books), *(line.cost_usd for line in closed)])
    doubtful = fsum(each.worst_case_usd for book in books for each in book.unconfirmed)
    billed = fsum(call["cost_usd"] for call in seen.evidence.calls)
    most = booked + doubtful if len(books) == len(seen.told) else inf
    if not booked - CENT <= billed <= most + CENT:
        yield f"billed {billed}, booked {booked}, in doubt {doubtful}"


def _closing(told: Told) -> tuple[Spent, ...]:
    return next((fact.spent for _, fact in told.facts if isinstance(fact, PostDeleted)), ())


def i3_a_settled_answer_was_asked_for_as_often_as_attempts_were_claimed(
    seen: Seen,
) -> Iterator[str]:
    """No request reaches a provider without a claim of its own."""
    if any(told.deleted_at is not None for told in seen.told.values()):
        return
    claims = sum("started" in facts for _, told in seen.kept for facts in told.attempts.values())
    if len(seen.evidence.calls) > claims:
        yield f"{len(seen.evidence.calls)} calls, but {claims} claims"


def i4_the_rows_are_those_of_a_rebuild(seen: Seen) -> Iterator[str]:
    """Of a deleted post the rows still tell what it cost, call by call, and the log no more."""
    gone = {post for post, told in seen.told.items() if told.deleted_at is not None}
    for table in seen.evidence.rows:
        rows, anew = (
            _without(gone, of[table]) for of in (seen.evidence.rows, seen.evidence.rebuilt)
        )
        if rows != anew:
            differ = [pair for pair in zip(rows, anew, strict=False) if pair[0] != pair[1]]
            yield f"{table}: {len(rows)} and {len(anew)} rows; {str(differ[:1])[:1500]}"


def _without(gone: set[UUID], rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """A row's post is its first or second column."""
    return [row for row in rows if gone.isdisjoint(row[:2])]


def i4_nothing_is_set_aside(seen: Seen) -> Iterator[str]:
    yield from (str(row)[:500] for row in seen.evidence.rows["quarantine"])


def i6_a_watcher_is_shown_everything_once_and_in_order(seen: Seen) -> Iterator[str]:
    for post, watcher in seen.watchers.items():
        told = seen.told[UUID(post)]
        if told.deleted_at is not None:
            continue
        wanted = [fact.seq for fact in told.facts if journal(fact) is not None]
        if watcher.shown != wanted:
            missing = sorted(set(wanted) - set(watcher.shown))
            twice = [seq for seq, n in Counter(watcher.shown).items() if n > 1]
            yield f"{post}: missing {missing[:5]}, twice {twice[:5]}, of {len(wanted)}"


def i7_every_post_is_complete_deleted_or_waits_for_a_person(seen: Seen) -> Iterator[str]:
    for post, told in seen.kept:
        if waits_for(told.post) not in {"", "person"}:
            yield f"{post} stands at {current_stage(told.post)}"


def i8_no_secret_is_anywhere(seen: Seen) -> Iterator[str]:
    for name, secret in seen.evidence.secrets.items():
        places = [path for path, text in seen.evidence.output.items() if secret in text]
        places += [str(each.seq) for each in seen.evidence.log if secret.encode() in each.data]
        rows = (row for table in seen.evidence.rows.values() for row in table)
        places += [str(row[0]) for row in rows if any(secret in str(cell) for cell in row)]
        if places:
            yield f"the password of {name} stands in {places[:5]}"


def i9_a_settled_answer_is_one_that_was_given(seen: Seen) -> Iterator[str]:
    """The log holds no answer that no provider has sent."""
    if any(told.deleted_at is not None for told in seen.told.values()):
        return
    settled = sum(isinstance(f, CallSettled) for _, told in seen.kept for _, f in told.facts)
    given = sum(call["outcome"] == "answered" for call in seen.evidence.calls)
    if settled > given:
        yield f"{settled} settled, {given} given"


def nobody_was_given_an_answer_that_makes_no_sense(seen: Seen) -> Iterator[str]:
    yield from seen.odd


LAWS: tuple[Callable[[Seen], Iterable[str]], ...] = (
    i1_every_accepted_change_is_in_the_log,
    i2_every_law_of_the_log_holds_for_every_post,
    i3_the_books_and_the_bill_differ_by_the_unconfirmed_alone,
    i3_a_settled_answer_was_asked_for_as_often_as_attempts_were_claimed,
    i4_the_rows_are_those_of_a_rebuild,
    i4_nothing_is_set_aside,
    i6_a_watcher_is_shown_everything_once_and_in_order,
    i7_every_post_is_complete_deleted_or_waits_for_a_person,
    i8_no_secret_is_anywhere,
    i9_a_settled_answer_is_one_that_was_given,
    nobody_was_given_an_answer_that_makes_no_sense,
)
