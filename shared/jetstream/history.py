"""What a post's messages are worth: the facts among them that follow one another, and nothing else.

Each append stores which sequence it followed; the facts of one append stand side by side in one
batch. So a message that was slipped in, or that hides an earlier one, breaks the chain and shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from shared.domain.events import Recorded
from shared.errors import Malformed
from shared.jetstream.messages import (
    BATCH,
    BATCH_PLACE,
    EXPECTED,
    EXPECTED_OVER,
    TYPE,
    fact_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.domain.subjects import PostRef
    from shared.jetstream.messages import Item

_TOMBSTONE: Final = "post-deleted"
_DIGITS: Final = 10


class Broken(Exception):
    """The messages do not follow one another."""


class Repaired(NamedTuple):
    """The valid facts, the last sequence on the server, and what was left out, in words."""

    facts: tuple[Recorded, ...]
    reaches: int
    left_out: tuple[str, ...]


def verified_flow(ref: PostRef, items: Sequence[Item]) -> tuple[Recorded, ...]:
    """The flow as facts. Raises `Broken` when it is not one unbroken chain, `TooNew`.

    While a deleted post is being purged, only its tombstone counts.
    """
    if _chained(ref, items):
        return _facts(items)
    if items[-1].headers.get(TYPE) == _TOMBSTONE:
        return _facts(items[-1:])
    raise Broken


def verified_calls(items: Sequence[Item]) -> tuple[Recorded, ...]:
    """Call facts, each the first at its subject. Raises `Broken`, `TooNew`."""
    if not all(map(_is_first, items)):
        raise Broken
    return _facts(items)


def repaired_flow(ref: PostRef, items: Iterable[Item]) -> Repaired:
    """The first valid fact of each number, out of everything ever stored there, in log order."""
    facts: list[Recorded] = []
    left_out: list[str] = []
    before: Item | None = None
    reaches = 0
    for item in items:
        fact = _valid(item) if _follows(ref, before, item, reaches) else None
        if fact is None:
            left_out.append(f"{item.seq} {item.subject[:200]}")
        else:
            before = item
            facts.append(fact)
        reaches = item.seq
    return Repaired(tuple(facts), reaches, tuple(left_out))


def repaired_calls(items: Iterable[Item]) -> Repaired:
    """The first valid fact at each subject."""
    facts: dict[str, Recorded] = {}
    left_out: list[str] = []
    reaches = 0
    for item in items:
        fact = _valid(item) if item.subject not in facts and _is_first(item) else None
        if fact is None:
            left_out.append(f"{item.seq} {item.subject[:200]}")
        else:
            facts[item.subject] = fact
        reaches = item.seq
    return Repaired(tuple(facts.values()), reaches, tuple(left_out))


def _facts(items: Iterable[Item]) -> tuple[Recorded, ...]:
    try:
        return tuple(Recorded(item.seq, fact_of(item)) for item in items)
    except Malformed as error:
        raise Broken from error


def _valid(item: Item) -> Recorded | None:
    try:
        return Recorded(item.seq, fact_of(item))
    except Malformed:
        return None


def _chained(ref: PostRef, items: Sequence[Item]) -> bool:
    before: Item | None = None
    for item in items:
        if not _follows(ref, before, item, before.seq if before else 0):
            return False
        before = item
    return True


def _follows(ref: PostRef, before: Item | None, item: Item, reaches: int) -> bool:
    """`reaches` is the last sequence before this one, valid or not: what an honest writer met."""
    if before is None:
        return item.headers.get(TYPE) == _TOMBSTONE or (
            _number(item) == 0 and _expects(ref, item, {0, reaches})
        )
    if item.seq <= before.seq or _number(item) != _number(before) + 1:
        return False
    if EXPECTED in item.headers:
        return _expects(ref, item, {before.seq, reaches})
    return _same_batch(before, item)


def _number(item: Item) -> int:
    """The n its subject ends with; -1 when that is none."""
    return _count(item.subject.rpartition(".")[2])


def _count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else -1


def _expects(ref: PostRef, item: Item, allowed: set[int]) -> bool:
    expected = item.headers.get(EXPECTED, "")
    return item.headers.get(EXPECTED_OVER) == ref.flow and expected in map(str, allowed)


def _same_batch(before: Item, item: Item) -> bool:
    """Members of one batch stand in the log as far apart as in the batch."""
    batch = item.headers.get(BATCH)
    if not batch or before.headers.get(BATCH) != batch:
        return False
    places = [_count(each.headers.get(BATCH_PLACE, "")) for each in (before, item)]
    return places[1] - places[0] == item.seq - before.seq


def _is_first(item: Item) -> bool:
    """The server looked at this message's own subject, and nothing stood there."""
    over = item.headers.get(EXPECTED_OVER, item.subject)
    return item.headers.get(EXPECTED) == "0" and over == item.subject
