"""The queue as the read model has it: every count, list and sum is one consistent look.

A post stands in exactly one bucket, so the counts are disjoint and their sum is all posts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import TypeAdapter

from shared.domain.post import Post
from shared.domain.values import Stage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from uuid import UUID

    from services.gateway.rows import ReadModel

type Bucket = Literal[
    "pending", "running", "review", "waiting", "paused", "failed", "complete", "cancelled"
]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket.__value__)

_STATE: TypeAdapter[Post] = TypeAdapter(Post)
_PORTION = 500

_BUCKET = """case
    when waits_for = 'worker' then 'running'
    when current_stage in ('paused', 'failed', 'complete', 'cancelled') then current_stage
    when waits_for = 'person' then 'review'
    when waits_for in ('time', 'budget') then 'waiting'
    else 'pending' end"""
_COUNTS = f"""select {_BUCKET} as bucket, count(*) as posts
from posts where tenant = $1 and not deleted group by 1"""  # noqa: S608  our own words

_REVIEWS = "tenant = $1 and waits_for = 'person' and current_stage <> 'paused' and not deleted"
_PARKED = """tenant = $1 and waits_for = '' and not deleted and (current_stage = 'failed'
    or current_stage = 'paused'
    and jsonb_path_exists(state, '$.stages.* ? (@.status == "failed")'))"""
_MOVING = "tenant = $1 and waits_for in ('worker', 'time', 'budget') and state->>'paused' = 'false'"
_PAUSED = "tenant = $1 and state->>'paused' = 'true' and not deleted"

_CHOSEN = {"moving": _MOVING, "paused": _PAUSED, "parked": _PARKED}
type Choice = Literal["moving", "paused", "parked"]

_COMPLETED = """select wanted.stage, newest.ts from unnest($2::text[]) as wanted (stage), lateral (
    select ts from entries
    where tenant = $1 and event = 'stage_complete' and entries.stage = wanted.stage
    order by seq desc limit 1
) as newest"""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many posts stand in each bucket, as of a sequence of the log."""

    seq: int
    posts: dict[Bucket, int]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A page of posts with the ids of their rows, how many there are in all, as of a sequence."""

    seq: int
    posts: tuple[tuple[UUID, Post], ...]
    total: int


class QueueRows:
    def __init__(self, rows: ReadModel, tenant: str) -> None:
        self._rows = rows
        self._tenant = tenant

    def of(self, tenant: str) -> QueueRows:
        """The same of another tenant."""
        return QueueRows(self._rows, tenant)

    async def counts(self) -> Counted:
        async with self._rows.look() as look:
            seq = int(await look.fetchval("select seq from position") or 0)
            found = {row["bucket"]: row["posts"] for row in await look.fetch(_COUNTS, self._tenant)}
        return Counted(seq, {bucket: found.get(bucket, 0) for bucket in BUCKETS})

    async def reviews(self, page: int, per_page: int) -> Chosen:
        """Posts that wait for a person, the longest waiting first."""
        return await self._page(_REVIEWS, "(state->'review'->>'seq')::bigint, id", page, per_page)

    async def parked(self, page: int, per_page: int) -> Chosen:
        """Posts in the dead letter, the last changed first."""
        return await self._page(_PARKED, "seq desc, id", page, per_page)

    async def _page(self, where: str, order: str, page: int, per_page: int) -> Chosen:
        asked = (
            f"select id, state from posts where {where}"  # noqa: S608  our own words
            f" order by {order} limit $2 offset $3"
        )
        counting = f"select count(*) from posts where {where}"  # noqa: S608
        async with self._rows.look() as look:
            seq = int(await look.fetchval("select seq from position") or 0)
            total = await look.fetchval(counting, self._tenant)
            rows = await look.fetch(asked, self._tenant, per_page, (page - 1) * per_page)
        posts = tuple((row["id"], _STATE.validate_json(row["state"])) for row in rows)
        return Chosen(seq, posts, int(total or 0))

    async def ids(self, choice: Choice) -> AsyncIterator[list[UUID]]:
        """Every chosen post once, in portions, whatever happens to them meanwhile."""
        asked = (
            f"select id from posts where {_CHOSEN[choice]} and ($2::uuid is null or id > $2)"  # noqa: S608
            f" order by id limit {_PORTION}"
        )
        last: UUID | None = None
        while True:
            async with self._rows.look() as look:
                rows = await look.fetch(asked, self._tenant, last)
            if not rows:
                return
            yield [row["id"] for row in rows]
            last = rows[-1]["id"]

    async def completed(self) -> dict[Stage, datetime]:
        """When each stage last completed a run; stages that never did are left out."""
        async with self._rows.look() as look:
            rows = await look.fetch(_COMPLETED, self._tenant, [str(stage) for stage in Stage])
        return {Stage(row["stage"]): row["ts"] for row in rows}
