"""Whether the log holds what was promised: all of it, once, in order, and nothing nobody wrote.

It is asked when the faults are over. The log is read to its last sequence, however long somebody
takes to answer: a reader that gave up early would call lost what it did not wait for.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from shared.domain.events import ContentEdited, FlowFact
from shared.domain.upcast import encode
from shared.errors import LogUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from shared.domain.events import Fact
    from shared.domain.subjects import PostRef
    from shared.eventlog import EventLog, Stored
    from tests.chaos.writers import Book

ANSWERED_WITHIN_S = 60.0
LOOK_AGAIN_S = 0.1
MOST_SHOWN = 10


async def the_log_keeps(
    log: EventLog,
    book: Book,
    *,
    promised: Mapping[int, Fact] | None = None,
    seen: Sequence[Stored] | None = None,
) -> int:
    """Assert that the log is what the book says; how many messages it holds.

    `promised`: what must be there (everything promised so far). `seen`: what a follower was shown
    all along; it may have further to go.
    """
    stored = await whole(log)
    found = [
        *_lost(stored, book.promised if promised is None else promised),
        *_gaps(stored),
        *_never_tried(stored, book),
        *_torn(stored, book),
        *_out_of_order(stored),
        *_shown_wrongly(stored, seen or ()),
        *[wrong async for wrong in _read_wrongly(log, stored)],
    ]
    assert not found, "\n".join([f"{len(found)} violations", *found[:MOST_SHOWN]])
    return len(stored)


async def whole(log: EventLog) -> list[Stored]:
    """Every message, from the first one to the last."""
    found: list[Stored] = []
    async with asyncio.timeout(ANSWERED_WITHIN_S):
        last = await _last(log)
        async with aclosing(log.tail(0)) as batches:  # type: ignore[type-var]
            while (found[-1].seq if found else 0) < last:
                found.extend(await anext(batches))
    return found


async def _last(log: EventLog) -> int:
    while True:
        try:
            return (await log.state()).last
        except LogUnavailable:
            await asyncio.sleep(LOOK_AGAIN_S)


@asynccontextmanager
async def following(log: EventLog) -> AsyncIterator[list[Stored]]:
    """What a follower from the beginning is shown while the context is open."""
    seen: list[Stored] = []

    async def follow() -> None:
        async for batch in log.tail(0):
            seen.extend(batch)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow())
        yield seen
        task.cancel()


def _lost(stored: Sequence[Stored], promised: Mapping[int, Fact]) -> Iterator[str]:
    there = {each.seq: each.fact for each in stored}
    for seq, fact in promised.items():
        if seq not in there:
            yield f"{seq} was promised and is lost"
        elif there[seq] != fact:
            yield f"{seq} was promised and holds something else: {there[seq]!r}"


def _gaps(stored: Sequence[Stored]) -> Iterator[str]:
    for before, each in pairwise(stored):
        if each.seq != before.seq + 1:
            yield f"{each.seq} follows {before.seq}"


def _never_tried(stored: Sequence[Stored], book: Book) -> Iterator[str]:
    """Also what is there twice: each fact differs from every other one."""
    left = {encode(fact) for append in book.tried for fact in append}
    for each in stored:
        if each.data not in left:
            yield f"{each.seq} {each.subject} is there twice, or nobody wrote it"
        left.discard(each.data)


def _torn(stored: Sequence[Stored], book: Book) -> Iterator[str]:
    """The facts of an append stand side by side, or none of them is there."""
    at = {each.data: each.seq for each in stored}
    for append in book.tried:
        seqs = [at.get(encode(fact)) for fact in append]
        begin = seqs[0]
        whole = begin is not None and seqs == list(range(begin, begin + len(seqs)))
        if not whole and any(seqs):
            yield f"an append stands at {seqs}"


def _out_of_order(stored: Sequence[Stored]) -> Iterator[str]:
    """Each writer's texts are numbered, and the next is begun when the last one is known."""
    texts: dict[str, int] = defaultdict(int)
    for each in stored:
        if isinstance(each.fact, ContentEdited):
            writer, _, number = each.fact.output.partition(" ")
            if int(number) != texts[writer]:
                yield f"{each.seq} is text {number} of {writer}, not {texts[writer]}"
            texts[writer] = int(number) + 1


def _shown_wrongly(stored: Sequence[Stored], seen: Sequence[Stored]) -> Iterator[str]:
    for there, shown in zip(stored, seen, strict=False):
        if (there.seq, there.data) != (shown.seq, shown.data):
            yield f"a follower was shown {shown.seq} where {there.seq} stands"
    if len(seen) > len(stored):
        yield f"a follower was shown {len(seen)} messages, and {len(stored)} are there"


async def _read_wrongly(log: EventLog, stored: Sequence[Stored]) -> AsyncIterator[str]:
    """What `read` says of a post is its flow, each fact of it in order."""
    flows: dict[PostRef, list[int]] = defaultdict(list)
    for each in stored:
        if each.ref is not None and isinstance(each.fact, FlowFact):
            flows[each.ref].append(each.seq)
    for ref, flow in flows.items():
        history = await log.read(ref)
        if [seq for seq, _ in history.flow] != flow or history.post.n != len(flow):
            yield f"{ref.id} is read as {[seq for seq, _ in history.flow]}, not {flow}"
