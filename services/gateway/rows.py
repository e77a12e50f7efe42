"""The read model as the gateway asks it: rows the projector wrote, never changed here.

Every answer is one consistent look. When Postgres cannot be asked now, `ReadModelAway` is raised
and whoever can answer from the log does so.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
from pydantic import TypeAdapter

from services.gateway.posts import listing
from services.gateway.web.answers import CallRead
from shared.domain.journal import Entry
from shared.domain.post import Post
from shared.domain.subjects import PostRef
from shared.domain.values import Stage
from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.gateway.web.schemas import EntryFilter, PostFilter

type Pool = asyncpg.Pool[asyncpg.Record]
type Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

_STATE: TypeAdapter[Post] = TypeAdapter(Post)
_PATIENCE_S = 2.0
_CAPPED = """from posts where tenant = $1 and not deleted
    and ($2 or config->>'budget_usd' is not null)"""
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that ended while it was being used first
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
)


class ReadModelAway(GalleyError):
    """Postgres cannot be asked now."""

    def __init__(self) -> None:
        super().__init__("the read model cannot be reached now")


@dataclass(frozen=True, slots=True)
class PostRows:
    """All rows of one post, as they stood together. `seq` is its last projected flow fact."""

    post: Post
    seq: int
    behind: bool
    texts: dict[Stage, str]
    entries: tuple[Entry, ...]
    calls: tuple[CallRead, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of posts with the texts that were wanted, and how many posts there are in all."""

    posts: tuple[Post, ...]
    texts: dict[UUID, dict[Stage, str]]
    total: int


class ReadModel:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def look(self) -> AsyncIterator[Connection]:
        """One read-only look at everything as it is now."""
        try:
            async with (
                self._pool.acquire(timeout=_PATIENCE_S) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection
        except _AWAY as error:
            raise ReadModelAway from error

    async def position(self) -> int:
        """The sequence up to which the log is projected."""
        async with self.look() as look:
            return int(await look.fetchval("select seq from position") or 0)

    async def standing(self) -> tuple[int, str] | None:
        """That sequence and the identity of the log; None before the projector's first start."""
        async with self.look() as look:
            row = await look.fetchrow("select seq, identity from position")
            return None if row is None else (int(row["seq"]), str(row["identity"]))

    async def post(self, ref: PostRef) -> PostRows | None:
        """Everything about one post; None when the projector has not met it."""
        async with self.look() as look:
            row = await look.fetchrow(
                "select seq, behind, state from posts where id = $1 and tenant = $2",
                ref.id,
                ref.tenant,
            )
            return None if row is None else await _whole(look, ref.id, row)

    async def current(self, ref: PostRef, seq: int) -> bool:
        """The post's rows hold everything up to this flow fact of it."""
        async with self.look() as look:
            found = await look.fetchval(
                "select seq >= $3 and not behind and not deleted"
                " from posts where id = $1 and tenant = $2",
                ref.id,
                ref.tenant,
                seq,
            )
            return bool(found)

    async def manifest(self, post: UUID) -> str | None:
        """The newest projected image manifest."""
        async with self.look() as look:
            found: str | None = await look.fetchval(
                "select text from contents where post_id = $1 and stage = 'images'", post
            )
            return found

    async def posts(self, tenant: str, asked: PostFilter, texts: Sequence[Stage] = ()) -> Listed:
        page, counting = listing.posts(tenant, asked)
        async with self.look() as look:
            total = await look.fetchval(*counting)
            rows = await look.fetch(*page)
            found = await _texts(look, [row["id"] for row in rows], texts)
        return Listed(tuple(_state(row["state"]) for row in rows), found, int(total or 0))

    async def entries(self, post: UUID, asked: EntryFilter, most: int) -> tuple[Entry, ...]:
        """Up to `most` of the wanted entries, oldest first."""
        async with self.look() as look:
            rows = await look.fetch(*listing.entries(post, asked, most))
        return _entries(rows)

    async def told(
        self, tenant: str, post: UUID | None, after: int, until: int, most: int
    ) -> list[tuple[UUID, Entry]]:
        """Up to `most` entries between two sequences, of one post or of all."""
        async with self.look() as look:
            rows = await look.fetch(*listing.told(tenant, post, after, until, most))
        return [(row["post_id"], _entry(row)) for row in rows]

    async def due(self, now: datetime, most: int) -> list[tuple[PostRef, Post]]:
        """Posts of every tenant whose time has come: a deferred run to wake, a review whose
        deadline has passed."""
        async with self.look() as look:
            rows = await look.fetch(
                "select tenant, id, state from posts where due_at <= $1"
                " and waits_for in ('time', 'person') and not deleted order by due_at limit $2",
                now,
                most,
            )
        return [(PostRef(row["tenant"], row["id"]), _state(row["state"])) for row in rows]

    async def out_of_budget(
        self, tenant: str, now: datetime, after: UUID, most: int
    ) -> list[tuple[PostRef, Post]]:
        """The next posts, by id, whose run waits for a budget and may be looked at again."""
        async with self.look() as look:
            rows = await look.fetch(
                "select id, state from posts where tenant = $1 and waits_for = 'budget'"
                " and due_at <= $2 and id > $3 and not deleted order by id limit $4",
                tenant,
                now,
                after,
                most,
            )
        return [(PostRef(tenant, row["id"]), _state(row["state"])) for row in rows]

    async def capped(
        self, tenant: str, *, all_posts: bool, page: int, most: int
    ) -> tuple[list[tuple[UUID, float | None]], int]:
        """One page of the posts that have a cap, with their own if they have one; those that wait
        for a budget first, then the newest. And how many there are in all."""
        async with self.look() as look:
            total = await look.fetchval(f"select count(*) {_CAPPED}", tenant, all_posts)
            rows = await look.fetch(
                f"select id, (config->>'budget_usd')::float8 as cap {_CAPPED}"
                " order by waits_for = 'budget' desc, created_at desc, id limit $3 offset $4",
                tenant,
                all_posts,
                most,
                (page - 1) * most,
            )
        return [(row["id"], row["cap"]) for row in rows], int(total or 0)


async def _texts(
    look: Connection, posts: Sequence[UUID], stages: Sequence[Stage]
) -> dict[UUID, dict[Stage, str]]:
    found: dict[UUID, dict[Stage, str]] = {}
    if posts and stages:
        for row in await look.fetch(*listing.texts(posts, stages)):
            found.setdefault(row["post_id"], {})[Stage(row["stage"])] = row["text"]
    return found


async def _whole(look: Connection, post: UUID, row: asyncpg.Record) -> PostRows:
    texts = await look.fetch("select stage, text from contents where post_id = $1", post)
    entries = await look.fetch("select * from entries where post_id = $1 order by seq", post)
    calls = await look.fetch("select * from calls where post_id = $1 order by started_seq", post)
    return PostRows(
        post=_state(row["state"]),
        seq=row["seq"],
        behind=row["behind"],
        texts={Stage(each["stage"]): each["text"] for each in texts},
        entries=_entries(entries),
        calls=tuple(_call(each) for each in calls),
    )


def _state(stored: str) -> Post:
    return _STATE.validate_json(stored)


def _entries(rows: Iterable[asyncpg.Record]) -> tuple[Entry, ...]:
    return tuple(_entry(row) for row in rows)


def _entry(row: asyncpg.Record) -> Entry:
    data: dict[str, Any] = json.loads(row["data"]) if row["data"] else {}
    return Entry(
        row["seq"], row["ts"], row["stage"], row["level"], row["event"], row["message"], data
    )


def _call(row: asyncpg.Record) -> CallRead:
    fields = {name: row[name] for name in CallRead.model_fields if row[name] is not None}
    return CallRead.model_validate(fields)
