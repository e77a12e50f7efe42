"""Changing a post: fields, gates, models and texts in one request are one append.

A request that names an Idempotency-Key or a version is written by itself, as it was sent. Any other
is merged with its neighbours (see `gathering`).
"""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Response

from services.gateway.context import Wired
from services.gateway.control.commands import Done, execute
from services.gateway.control.deciding import Key, spelled, tell
from services.gateway.posts import present
from services.gateway.posts.gathering import Writer
from services.gateway.posts.patch import PostPatch
from services.gateway.posts.pinning import pinned_models, require_callable
from services.gateway.web import ids
from services.gateway.web.answers import PostRead
from services.gateway.web.documented import WRITTEN
from services.gateway.web.preconditions import Expected, IfMatch
from shared.errors import NoSuchPost

router = APIRouter(prefix="/api/posts", tags=["posts"])


@router.patch("/{post_id}", responses=WRITTEN)
async def change_post(
    gateway: Wired,
    post_id: UUID,
    asked: PostPatch,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> PostRead:
    """Change what is named, and nothing else. Null sets a field back to its default.

    A gate's deadline counts from when its review was opened, also of a review that is open now.
    """

    require_callable(gateway, asked)

    async def write(patch: PostPatch) -> Done:
        return await _written(gateway, post_id, patch, idempotency_key, if_match)

    if idempotency_key is None and if_match is None:
        writer = Writer(gateway.ref(post_id), gateway.actor, asked.named)
        stored = (await gateway.gathering.change(writer, asked, write)).history
    else:
        stored = (await write(asked)).history
    if stored.post.deleted:
        raise NoSuchPost
    tell(response, stored)
    return present.whole(await gateway.views.after(stored))


async def _written(
    gateway: Wired, post_id: UUID, patch: PostPatch, key: str | None, expected: Expected | None
) -> Done:
    ref = gateway.ref(post_id)
    by = ids.command_ref(gateway, ref, key, spelled("change", patch))
    command = patch.command(post_id, by, await pinned_models(gateway, patch))
    return await execute(gateway.events, ref, command, gateway.clock, expected=expected)
