"""Storing the posts of a batch together: slugs are found for all, then all is written or nothing.

Within a batch a chosen slug goes to who chose it, generated ones give way. What the log refuses is
looked into only then: the batch was stored before, a slug has an owner, or somebody was faster.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.gateway.control.commands import TRIES, chosen, gave_up, pause
from services.gateway.posts.batch_rows import BadRows
from services.gateway.posts.claims import checked, claim
from services.gateway.posts.creation import slugs
from services.gateway.web.answers import RowProblem
from shared.domain.decide import answered
from shared.domain.events import Recorded
from shared.errors import CommandReused, Conflict, NoSuchPost
from shared.eventlog import Append, Guarded, History
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from services.gateway.context import Gateway
    from shared.domain.commands import CreatePost
    from shared.domain.subjects import PostRef

_BREATH = 50
"""After so many rows others get their turn."""


@dataclass(slots=True)
class Row:
    """One post to be: its address, the slug it insists on, and its order once it has a slug."""

    number: int
    ref: PostRef
    chosen: str | None
    order: Callable[[str], CreatePost]
    command: CreatePost = field(init=False)
    claim: Guarded = field(init=False)
    _left: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._left = slugs(self.order("").config.topic, self.chosen, self.ref.id)
        self.advance()

    def advance(self) -> bool:
        """Take the next slug; False when there is none left."""
        slug = next(self._left, None)
        if slug is not None:
            self.command = self.order(slug)
            self.claim = claim(self.ref, self.command.config.profile_id, slug)
        return slug is not None


async def write(gateway: Gateway, rows: Sequence[Row]) -> list[History]:
    """The posts' histories. Raises `BadRows`, `CommandReused`, `Contended`, `LogUnavailable`."""
    lost: Conflict | None = None
    _distinct(rows)
    for attempt in range(TRIES):
        try:
            return await _stored(gateway, rows)
        except Conflict as conflict:
            lost = conflict
        if await gateway.events.last(rows[0].ref) is not None:
            return await _repeated(gateway, rows)
        await _revise(gateway, rows)
        await pause(attempt)
    raise gave_up(lost) from lost


def _distinct(rows: Sequence[Row]) -> None:
    """No two rows want the same slug any more. Raises `BadRows`."""
    owners: dict[str, int] = {}
    wrong: list[RowProblem] = []
    for row in sorted(rows, key=lambda each: each.chosen is None):
        while row.claim.subject in owners and row.advance():
            continue
        other = owners.setdefault(row.claim.subject, row.number)
        if other != row.number:
            wrong.append(_problem(row, f"row {other} has the same slug"))
    if wrong:
        raise _taken("rows of the batch want the same slug", wrong)


def _problem(row: Row, problem: str) -> RowProblem:
    return RowProblem(row=row.number, field="slug", problem=problem)


def _taken(detail: str, rows: Sequence[RowProblem]) -> BadRows:
    return BadRows(detail, rows, code="slug-taken", status=409)


async def _stored(gateway: Gateway, rows: Sequence[Row]) -> list[History]:
    appends = [append async for append in _appends(gateway, rows)]
    reached("gateway.decided")
    sequences = await gateway.events.append_all(appends)
    reached("gateway.stored")
    return [
        History(each.ref, tuple(map(Recorded, seqs, each.facts)))  # type: ignore[arg-type]
        for each, seqs in zip(appends, sequences, strict=True)
    ]


async def _appends(gateway: Gateway, rows: Sequence[Row]) -> AsyncIterator[Append]:
    now = gateway.clock()
    for row in rows:
        if row.number % _BREATH == 0:
            await asyncio.sleep(0)
        facts = chosen(History(row.ref).post, row.command, now, None)
        yield Append(ref=row.ref, facts=facts, after=0, also=(row.claim,))


async def _repeated(gateway: Gateway, rows: Sequence[Row]) -> list[History]:
    """The posts that this very batch has made before, but for those deleted since."""
    found = await asyncio.gather(*(gateway.events.read(row.ref) for row in rows))
    left = [each for each in zip(rows, found, strict=True) if not each[1].post.deleted]
    if not left:
        raise NoSuchPost
    if not all(answered(history.post, row.command) for row, history in left):
        raise CommandReused
    return [history for _, history in left]


async def _revise(gateway: Gateway, rows: Sequence[Row]) -> None:
    """Look whom the wanted slugs belong to; generated ones give way. Raises `BadRows`."""
    claims = await asyncio.gather(
        *(checked(gateway.events, gateway.tenant, row.claim) for row in rows)
    )
    wrong: list[RowProblem] = []
    for row, free in zip(rows, claims, strict=True):
        if free is not None:
            row.claim = free
        elif not row.advance():
            wrong.append(_problem(row, "another post already owns this slug"))
    if wrong:
        raise _taken("another post owns a slug of the batch", wrong)
    _distinct(rows)
