"""One picture of an article: made anew by the model, replaced by an upload, or described anew."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from services.gateway.context import Gateway, Wired
from services.gateway.control.commands import execute
from services.gateway.control.deciding import Key, spelled, tell
from services.gateway.files.revising import manifest_of, require_image, revised
from services.gateway.posts import present
from services.gateway.web import ids
from services.gateway.web.answers import PostRead
from services.gateway.web.body_limit import Allowance
from services.gateway.web.documented import WRITTEN
from services.gateway.web.preconditions import IfMatch
from services.gateway.web.problems import Contradictory, Unusable
from services.gateway.web.schemas import Asked
from services.gateway.web.text import Line, Text
from shared.content.illustrations import MOST_ALT, Manifest, described, image, replaced, shown
from shared.content.pictures import file_name
from shared.domain.decide import answered
from shared.domain.values import CommandRef, Redo, Stage
from shared.errors import NoSuchPost, Permanent
from shared.runtime.bookkeeping import keep

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.gateway.web.preconditions import Expected
    from shared.domain.commands import RunStage
    from shared.eventlog import History

router = APIRouter(prefix="/api/posts/{post_id}", tags=["control"], responses=WRITTEN)

KINDS = ("image/jpeg", "image/png", "image/webp")
_ONE = re.compile(r"/api/posts/[^/]+/images/[^/]+")
UPLOAD = Allowance("PUT", _ONE, 10_000_000, frozenset(KINDS))
DESCRIPTION = Allowance("PATCH", _ONE)
_BINARY = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS}
_UPLOADED: dict[str, Any] = {"requestBody": {"required": True, "content": _BINARY}}

type Number = Annotated[int, Query(ge=1, le=1_000, description="an image, counted from 1")]
type Place = Annotated[int, Path(ge=1, le=1_000, description="an image, counted from 1")]
type Alt = Annotated[Line, Field(min_length=1, max_length=MOST_ALT)]


class Redoing(Asked):
    """What is to be different about the picture; left out, it is asked for as before."""

    prompt: Annotated[Text, Field(min_length=1, max_length=4_000)] | None = None
    alt: Alt | None = None


class Description(Asked):
    """What stands for the picture where it cannot be seen."""

    alt: Alt


def picture(stage: Stage, number: int | None, asked: Redoing | None) -> Redo | None:
    """The one picture that is wanted, if one is. Raises `Contradictory`."""
    if number is None and asked is None:
        return None
    if number is None or stage is not Stage.IMAGES:
        raise Contradictory("`image` names a picture of the images stage, and a body is about it")
    wanted = asked or Redoing()
    return Redo(image=number, prompt=wanted.prompt or "", alt=wanted.alt or "")


async def asked_for(
    gateway: Gateway,
    post_id: UUID,
    key: str | None,
    asked: str,
    command: Callable[[CommandRef], RunStage],
    *,
    expected: Expected | None,
) -> History:
    """A run that makes one picture. Raises `Missing` when the manifest has none of this number."""
    ref = gateway.ref(post_id)
    wanted = command(ids.command_ref(gateway, ref, key, asked))
    history = await gateway.events.read(ref)
    if wanted.redo is not None and not answered(history.post, wanted):
        require_image(history, wanted.redo.image)
    done = await execute(
        gateway.events, ref, wanted, gateway.clock, supposed=history, expected=expected
    )
    return done.history


@router.put("/images/{number}", openapi_extra=_UPLOADED)
async def upload(
    gateway: Wired,
    post_id: UUID,
    number: Place,
    request: Request,
    response: Response,
    *,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> PostRead:
    """Put a picture of one's own in the place of one: PNG, JPEG or WebP, up to 10 MB."""
    ref, data = gateway.ref(post_id), await request.body()
    asked = spelled(f"upload {number} {hashlib.sha256(data).hexdigest()}")
    by = ids.command_ref(gateway, ref, idempotency_key, asked)
    history = await gateway.events.read(ref)
    if by.id in history.post.commands:
        change: Callable[[Manifest], Manifest] = _unchanged
    else:
        change = await _replacing(gateway, history, number, data)
    return await _told(gateway, response, await revised(gateway, ref, by, change, if_match))


@router.patch("/images/{number}")
async def describe(
    gateway: Wired,
    post_id: UUID,
    number: Place,
    asked: Description,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> PostRead:
    """Give one image another alt text."""
    ref = gateway.ref(post_id)
    said = spelled(f"describe {number}", asked)
    by = ids.command_ref(gateway, ref, idempotency_key, said)
    stored = await revised(
        gateway, ref, by, lambda manifest: described(manifest, number, asked.alt), if_match
    )
    return await _told(gateway, response, stored)


def _unchanged(manifest: Manifest) -> Manifest:
    return manifest


async def _replacing(
    gateway: Gateway, history: History, number: int, data: bytes
) -> Callable[[Manifest], Manifest]:
    """The change that puts this picture in; its bytes are stored before anything names them."""
    require_image(history, number)
    manifest = manifest_of(history)
    if manifest is None or history.post.config is None:
        return _unchanged
    featured = image(manifest, number).get("type") == "featured"
    try:
        made = await gateway.darkroom.developed(data, "featured" if featured else "content")
    except Permanent as error:
        raise Unusable(str(error)) from error
    blob = await keep(gateway.media, history.ref.id, made.data, "image/webp")
    name = file_name(history.post.config.slug, number, made.data)
    changes = {**shown(name, made, blob), "uploaded": True}
    return lambda found: replaced(found, number, changes)


async def _told(gateway: Gateway, response: Response, stored: History) -> PostRead:
    if stored.post.deleted:
        raise NoSuchPost
    tell(response, stored)
    return present.whole(await gateway.views.after(stored))
