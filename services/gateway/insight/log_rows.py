"""Entries of all posts as the read model keeps them, by whatever they are searched for.

Only words of this module become part of the statement; what a client says is an argument. However
rare it is what is looked for, one question reads a stretch of the log and no more: who found
nothing there is told where to go on.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from services.gateway.conditions import Where, containing
from shared.domain.journal import Entry

if TYPE_CHECKING:
    from uuid import UUID

    from services.gateway.insight.filters import LogFilter
    from services.gateway.rows import ReadModel

STRETCH = 1_000_000
"""So many messages of the log, of which the lines for people are a part, are read at once."""


class Told(NamedTuple):
    post_id: UUID
    slug: str
    entry: Entry


class Found(NamedTuple):
    """A page of entries, and the cursor of the next one; None when the end was reached."""

    entries: list[Told]
    next: int | None


class _Stretch(NamedTuple):
    """Sequences above `low`, up to `high`; `onward` is where the next stretch begins, if any."""

    low: int
    high: int
    onward: int | None


async def entries(rows: ReadModel, tenant: str, asked: LogFilter, stretch: int = STRETCH) -> Found:
    """The next entries that were asked for, of one stretch of the log."""
    async with rows.look() as look:
        position = int(await look.fetchval("select seq from position") or 0)
        where = _stretch(asked, position, stretch)
        statement, *arguments = _question(tenant, asked, where)
        found = await look.fetch(statement, *arguments)
    page = [Told(row["post_id"], row["slug"] or "", _entry(row)) for row in found[: asked.limit]]
    return Found(page, page[-1].entry.seq if len(found) > asked.limit else where.onward)


def _stretch(asked: LogFilter, position: int, most: int) -> _Stretch:
    if asked.order == "asc":
        low = asked.cursor or 0
        high = min(low + most, position)
        return _Stretch(low, high, high if low < high < position else None)
    high = position if asked.cursor is None else min(asked.cursor - 1, position)
    low = max(high - most, 0)
    return _Stretch(low, high, low + 1 if low else None)


def _question(tenant: str, asked: LogFilter, stretch: _Stretch) -> tuple[Any, ...]:
    where = _where(asked)
    where.add("entries.tenant = {}", tenant)
    where.add("entries.seq > {}", stretch.low)
    where.add("entries.seq <= {}", stretch.high)
    direction = "desc" if asked.order == "desc" else "asc"
    statement = (
        "select entries.*, posts.slug from entries join posts on posts.id = entries.post_id"  # noqa: S608
        f" where not posts.deleted and {where}"
        f" order by entries.seq {direction} limit {where.put(asked.limit + 1)}"
    )
    return (statement, *where.arguments)


def _where(asked: LogFilter) -> Where:
    where = Where()
    if asked.level:
        where.add("entries.level = any({}::text[])", list(asked.level))
    if asked.stage is not None:
        where.add("entries.stage = {}", asked.stage)
    if asked.since is not None:
        where.add("entries.ts > {}", asked.since)
    if asked.until is not None:
        where.add("entries.ts <= {}", asked.until)
    if asked.profile_id is not None:
        where.add("posts.profile_id = {}", asked.profile_id)
    if asked.q:
        where.add("entries.message ilike {}", containing(asked.q))
    return where


def _entry(row: Any) -> Entry:  # noqa: ANN401  a row of the table
    data: dict[str, Any] = json.loads(row["data"]) if row["data"] else {}
    return Entry(
        row["seq"], row["ts"], row["stage"], row["level"], row["event"], row["message"], data
    )
