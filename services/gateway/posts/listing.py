"""The read model's questions as SQL: a statement and its arguments, every value passed apart.

Only words of this module ever become part of a statement; what a client says is an argument.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.gateway.conditions import Where, containing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from services.gateway.web.schemas import EntryFilter, PostFilter, PostStatus
    from shared.domain.values import Stage

type Question = tuple[Any, ...]
"""The statement, then its arguments."""

_STATUS: dict[PostStatus, str] = {
    "pending": "current_stage = 'pending'",
    "running": "waits_for = 'worker'",
    "review": "waits_for = 'person' and current_stage <> 'paused'",
    "waiting": "waits_for in ('time', 'budget') and current_stage <> 'paused'",
    "paused": "current_stage = 'paused'",
    "complete": "current_stage = 'complete'",
    "failed": "current_stage = 'failed'",
    "cancelled": "current_stage = 'cancelled'",
}


def posts(tenant: str, asked: PostFilter) -> tuple[Question, Question]:
    """The page that was asked for, and how many posts there are on all pages."""
    where = _posts(tenant, asked)
    counting = (f"select count(*) from posts where {where}", *where.arguments)  # noqa: S608
    direction = "desc" if asked.order == "desc" else "asc"
    # `sort` is one of a closed list of column names (schemas.PostSort).
    page = (
        f"select id, state from posts where {where}"  # noqa: S608
        f" order by {asked.sort} {direction} nulls last, id {direction}"
        f" limit {where.put(asked.per_page)} offset {where.put((asked.page - 1) * asked.per_page)}"
    )
    return (page, *where.arguments), counting


def _posts(tenant: str, asked: PostFilter) -> Where:
    where = Where()
    where.add("tenant = {}", tenant)
    where.say("not deleted")
    if asked.status is not None:
        where.say(_STATUS[asked.status])
    if asked.stage is not None:
        where.add("current_stage = {}", asked.stage)
    if asked.profile_id is not None:
        where.add("profile_id = {}", asked.profile_id)
    if asked.created_since is not None:
        where.add("created_at >= {}", asked.created_since)
    if asked.created_until is not None:
        where.add("created_at < {}", asked.created_until)
    if asked.q:
        where.add("(topic ilike {0} or slug ilike {0})", containing(asked.q))
    return where


def texts(posts: Sequence[UUID], stages: Sequence[Stage]) -> Question:
    """These stages' texts of these posts."""
    statement = (
        "select post_id, stage, text from contents"
        " where post_id = any($1::uuid[]) and stage = any($2::text[])"
    )
    return (statement, list(posts), list(stages))


def entries(post: UUID, asked: EntryFilter, most: int) -> Question:
    where = Where()
    where.add("post_id = {}", post)
    where.add("seq > {}", asked.cursor or 0)
    if asked.level:
        where.add("level = any({}::text[])", list(asked.level))
    if asked.stage is not None:
        where.add("stage = {}", asked.stage)
    if asked.since is not None:
        where.add("ts > {}", asked.since)
    limit = where.put(most)
    statement = f"select * from entries where {where} order by seq limit {limit}"  # noqa: S608
    return (statement, *where.arguments)


def told(tenant: str, post: UUID | None, after: int, until: int, most: int) -> Question:
    where = Where()
    where.add("tenant = {}", tenant)
    where.add("seq > {}", after)
    where.add("seq <= {}", until)
    if post is not None:
        where.add("post_id = {}", post)
    limit = where.put(most)
    statement = f"select * from entries where {where} order by seq limit {limit}"  # noqa: S608
    return (statement, *where.arguments)
