"""Creating and reading posts."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.gateway import ids, present, reading
from services.gateway.answers import CallRead, EntryRead, PostPage, PostRead
from services.gateway.context import Wired
from services.gateway.creation import create
from services.gateway.deciding import SEQUENCE, Key, spelled
from services.gateway.documented import LISTED, READ, WRITTEN
from services.gateway.schemas import EntryFilter, PostCreate, PostFilter, Sequence
from shared.domain.commands import CreatePost
from shared.domain.values import CommandRef

router = APIRouter(prefix="/api/posts", tags=["posts"])


@router.post("", status_code=201, responses=WRITTEN)
async def create_post(
    gateway: Wired, asked: PostCreate, response: Response, idempotency_key: Key = None
) -> PostRead:
    """Hand in a topic. The pipeline starts by itself unless all six gates are closed."""
    ref = gateway.ref(ids.post_id(gateway.tenant, idempotency_key))
    by = ids.command_ref(ref, idempotency_key, spelled("create", asked), "local")
    history, stored = await create(
        gateway.events,
        ref,
        lambda slug: _order(gateway, asked, by, ref.id, slug),
        asked.slug,
        gateway.clock,
    )
    response.headers["Location"] = f"/api/posts/{ref.id}"
    response.headers[SEQUENCE] = str(history.last)
    views = gateway.views
    return present.whole(views.begun(history) if stored else await views.after(history))


def _order(
    gateway: Wired, asked: PostCreate, by: CommandRef, post_id: UUID, slug: str
) -> CreatePost:
    return CreatePost(
        post_id=post_id,
        by=by,
        config=asked.config(slug),
        gates=asked.stage_settings,
        models=dict(gateway.models),
        gate_deadline_s=asked.gate_deadline_s,
        gate_outcome=asked.gate_outcome,
    )


@router.get("", responses=LISTED)
async def list_posts(gateway: Wired, asked: Annotated[PostFilter, Query()]) -> PostPage:
    """Posts without their texts."""
    return await reading.many(gateway, asked)


@router.get("/{post_id}", responses=READ)
async def read_post(gateway: Wired, post_id: UUID, min_seq: Sequence = 0) -> PostRead:
    """A post, whole and never older than the log."""
    return present.whole(await reading.one(gateway, post_id, min_seq))


@router.get("/{post_id}/logs", responses=READ)
async def read_logs(
    gateway: Wired, post_id: UUID, asked: Annotated[EntryFilter, Query()]
) -> list[EntryRead]:
    """The execution log; page on with `after` = the last `seq`."""
    return await reading.entries(gateway, post_id, asked)


@router.get("/{post_id}/calls", responses=READ)
async def read_calls(gateway: Wired, post_id: UUID) -> list[CallRead]:
    """Every attempt of every paid call, and what it cost."""
    return await reading.calls(gateway, post_id)
