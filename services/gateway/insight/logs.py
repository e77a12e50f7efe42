"""The execution logs of all posts, searched together, in the order of the log.

Page on with `cursor` = the answer's `next`; it names a sequence, so what is written meanwhile
neither repeats an entry nor hides one.
"""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from services.gateway.context import Wired
from services.gateway.insight.filters import LogFilter
from services.gateway.insight.log_rows import entries
from services.gateway.posts.reading import projected
from services.gateway.web.answers import Answer, EntryRead
from services.gateway.web.documented import LISTED

if TYPE_CHECKING:
    from services.gateway.insight.log_rows import Told

router = APIRouter(prefix="/api", tags=["logs"])


class LoggedRead(EntryRead):
    """An entry and the post it is about."""

    post_id: UUID
    slug: str


class LogPage(Answer):
    """Entries, and the cursor of the next page; null when there is none. A page may be empty and
    not the last: one answer looks through a part of the log only."""

    items: list[LoggedRead]
    next: int | None


@router.get("/logs", responses=LISTED)
async def search_logs(gateway: Wired, asked: Annotated[LogFilter, Query()]) -> LogPage:
    """Entries of every post's execution log, newest first unless asked otherwise."""
    await projected(gateway, asked.min_seq)
    found = await entries(gateway.rows, gateway.tenant, asked)
    return LogPage(items=[_read(told) for told in found.entries], next=found.next)


def _read(told: Told) -> LoggedRead:
    return LoggedRead(**told.entry._asdict(), post_id=told.post_id, slug=told.slug)
