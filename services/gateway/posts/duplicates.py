"""A second post like a first: its order and its gates, nothing of what was made of them."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, Response

from services.gateway.context import Wired
from services.gateway.control.deciding import Key, spelled, tell
from services.gateway.documents.prefill import defaults
from services.gateway.posts import present
from services.gateway.posts.creation import created
from services.gateway.web import ids
from services.gateway.web.answers import PostRead
from services.gateway.web.documented import WRITTEN
from services.gateway.web.preconditions import Expected, IfMatch
from services.gateway.web.refusals import Refused
from shared.domain.commands import CreatePost
from shared.domain.decide import answered
from shared.errors import NoSuchPost, Rejected, SlugTaken
from shared.eventlog import History

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.domain.post import Post
    from shared.domain.subjects import PostRef
    from shared.domain.values import CommandRef, ModelSettings, Stage

router = APIRouter(prefix="/api/posts", tags=["posts"])

_LONGEST = 120
_ENDING = 6
_TRIES = 4


@router.post("/{post_id}/duplicate", status_code=201, responses=WRITTEN)
async def duplicate_post(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> PostRead:
    """A new post with this one's fields and gates; it starts when it is told to."""
    ref = gateway.ref(ids.post_id(gateway, idempotency_key))
    by = ids.command_ref(gateway, ref, idempotency_key, spelled(f"duplicate {post_id}"))
    history = await _repeated(gateway, ref, by) if idempotency_key else None
    if history is None:
        history = await _copied(gateway, gateway.ref(post_id), ref, by, if_match)
    response.headers["Location"] = f"/api/posts/{ref.id}"
    tell(response, history)
    return present.whole(await gateway.views.after(history))


async def _repeated(gateway: Wired, ref: PostRef, by: CommandRef) -> History | None:
    """The copy, if this very request has made it before, whatever became of the first post."""
    history = await gateway.events.read(ref)
    if history.post.deleted:
        raise NoSuchPost
    order = CreatePost(post_id=ref.id, by=by, config=present.UNSAID)
    return history if answered(history.post, order) else None


async def _copied(
    gateway: Wired, source: PostRef, ref: PostRef, by: CommandRef, expected: Expected | None
) -> History:
    """Raises `Refused`, `NoSuchPost`, `LogUnavailable`."""
    post = (await gateway.events.read(source)).post
    if post.deleted or post.config is None:
        raise NoSuchPost
    _require(post, expected)
    models, slug = (await defaults(gateway)).models, ""
    for slug in _slugs(post.config.slug, ref.id):
        order = _order(post, ref, by, slug, models)
        done = await created(gateway.events, ref, order, gateway.clock)
        if done is not None:
            return done.history
    raise Refused(SlugTaken(slug), History(ref).post)


def _require(post: Post, expected: Expected | None) -> None:
    if expected is None:
        return
    try:
        expected.require(post)
    except Rejected as reason:
        raise Refused(reason, post) from reason


def _slugs(slug: str, new: UUID) -> Iterator[str]:
    """`<slug>-copy-<six hexadecimal digits>`, digits of the new post's id."""
    kept = slug[: _LONGEST - len("-copy-") - _ENDING].rstrip("-")
    for start in range(0, _TRIES * _ENDING, _ENDING):
        yield f"{kept}-copy-{new.hex[start : start + _ENDING]}"


def _order(
    post: Post, ref: PostRef, by: CommandRef, slug: str, models: dict[Stage, ModelSettings]
) -> CreatePost:
    config = (post.config or present.UNSAID).model_copy(update={"slug": slug})
    return CreatePost(
        post_id=ref.id,
        by=by,
        config=config,
        gates=dict(post.gates),
        models=models,
        gate_deadline_s=post.gate_deadline_s,
        gate_outcome=post.gate_outcome,
        start=False,
    )
