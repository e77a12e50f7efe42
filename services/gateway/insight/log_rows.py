"""Entries of all posts as the read model keeps them, by whatever they are searched for.

Only words of this module become part of the statement; what a client says is an argument.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from shared.domain.journal import Entry

if TYPE_CHECKING:
    from uuid import UUID

    from services.gateway.insight.filters import LogFilter
    from services.gateway.rows import ReadModel

_ASKED = """select entries.*, posts.slug from entries join posts on posts.id = entries.post_id
where entries.tenant = $1 and not posts.deleted
    and ($2::text[] is null or entries.level = any($2))
    and ($3::text is null or entries.stage = $3)
    and ($4::timestamptz is null or entries.ts > $4)
    and ($5::timestamptz is null or entries.ts <= $5)
    and ($6::uuid is null or posts.profile_id = $6)
    and ($7::text is null or entries.message ilike $7)
    and ($8::bigint is null or {beyond})
order by entries.seq {direction} limit $9"""
_BEYOND = {"asc": "entries.seq > $8", "desc": "entries.seq < $8"}


class Told(NamedTuple):
    post_id: UUID
    slug: str
    entry: Entry


async def entries(rows: ReadModel, tenant: str, asked: LogFilter) -> list[Told]:
    """One more than the limit, if there are so many: then there is a next page."""
    statement = _ASKED.format(beyond=_BEYOND[asked.order], direction=asked.order)
    async with rows.look() as look:
        found = await look.fetch(
            statement,
            tenant,
            list(asked.level) or None,
            asked.stage,
            asked.since,
            asked.until,
            asked.profile_id,
            f"%{_literally(asked.q)}%" if asked.q else None,
            asked.cursor,
            asked.limit + 1,
        )
    return [Told(row["post_id"], row["slug"] or "", _entry(row)) for row in found]


def _literally(text: str) -> str:
    """The text as a pattern that matches itself."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _entry(row: Any) -> Entry:  # noqa: ANN401  a row of the table
    data: dict[str, Any] = json.loads(row["data"]) if row["data"] else {}
    return Entry(
        row["seq"], row["ts"], row["stage"], row["level"], row["event"], row["message"], data
    )
