"""Creating and reading posts."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.gateway.context import Wired
from services.gateway.control.deciding import Key, spelled, tell
from services.gateway.documents.prefill import defaults
from services.gateway.posts import present, reading
from services.gateway.posts.creation import create
from services.gateway.posts.freshness import UNCHANGED, IfNoneMatch, known, settled
from services.gateway.web import ids
from services.gateway.web.answers import CallRead, EntryPage, PostPage, PostRead
from services.gateway.web.documented import LISTED, READ, WRITTEN
from services.gateway.web.preconditions import etag
from services.gateway.web.schemas import EntryFilter, PostCreate, PostFilter, Sequence
from shared.errors import NoSuchPost, NoSuchProfile

router = APIRouter(prefix="/api/posts", tags=["posts"])


@router.post("", status_code=201, responses=WRITTEN)
async def create_post(
    gateway: Wired, asked: PostCreate, response: Response, idempotency_key: Key = None
) -> PostRead:
    """Hand in a topic. The pipeline starts by itself unless all six gates are closed."""
    ref = gateway.ref(ids.post_id(gateway, idempotency_key))
    by = ids.command_ref(gateway, ref, idempotency_key, spelled("create", asked))
    behind = await defaults(gateway, [asked.profile_id])
    if not behind.knows(asked.profile_id) and not (await gateway.events.read(ref)).flow:
        raise NoSuchProfile
    history, stored = await create(
        gateway.events,
        ref,
        lambda slug: behind.order(asked, by, ref.id, slug),
        asked.slug,
        gateway.clock,
    )
    if history.post.deleted:
        raise NoSuchPost
    response.headers["Location"] = f"/api/posts/{ref.id}"
    tell(response, history)
    views = gateway.views
    return present.whole(views.begun(history) if stored else await views.after(history))


@router.get("", responses=LISTED)
async def list_posts(gateway: Wired, asked: Annotated[PostFilter, Query()]) -> PostPage:
    """Posts without their texts, or of each post just the named fields."""
    return await reading.many(gateway, asked)


@router.get("/{post_id}", responses=READ | UNCHANGED, response_model=PostRead)
async def read_post(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    min_seq: Sequence = 0,
    if_none_match: IfNoneMatch = None,
) -> PostRead | Response:
    """A post, whole and never older than the log; 304 when the client has it as it is."""
    view = await reading.one(gateway, post_id, min_seq)
    version = etag(view.post.n)
    if known(if_none_match, version) and settled(view):
        return Response(status_code=304, headers={"ETag": version})
    response.headers["ETag"] = version
    return present.whole(view)


@router.get("/{post_id}/logs", responses=READ)
async def read_logs(
    gateway: Wired, post_id: UUID, asked: Annotated[EntryFilter, Query()]
) -> EntryPage:
    """The execution log, oldest first; page on with `cursor` = the answer's `next`.

    It names a sequence, so what is written meanwhile neither repeats an entry nor hides one.
    """
    return await reading.entries(gateway, post_id, asked)


@router.get("/{post_id}/calls", responses=READ)
async def read_calls(gateway: Wired, post_id: UUID, min_seq: Sequence = 0) -> list[CallRead]:
    """Every attempt of every paid call, and what it cost."""
    return await reading.calls(gateway, post_id, min_seq)
