"""Images and exports over HTTP."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from services.gateway.context import Wired
from services.gateway.files import exports, pictures
from services.gateway.files.archive import archive
from services.gateway.posts import present, reading
from services.gateway.posts.freshness import UNCHANGED, IfNoneMatch, known
from services.gateway.web.documented import READ, Responses
from services.gateway.web.schemas import Sequence

router = APIRouter(tags=["files"], responses=READ)

_NOSNIFF = {"X-Content-Type-Options": "nosniff"}
_INERT = {**_NOSNIFF, "Content-Security-Policy": "default-src 'none'; sandbox"}
_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable", **_INERT}


def _answers(*media_types: str) -> Responses:
    content = {each: {"schema": {"type": "string", "format": "binary"}} for each in media_types}
    return {200: {"description": "the file", "content": content}, **UNCHANGED}


@router.get(
    "/media/{post_id}/{filename}",
    response_class=Response,
    responses=_answers(*sorted(pictures.SHOWN), "application/octet-stream"),
)
async def image(
    gateway: Wired, post_id: UUID, filename: str, if_none_match: IfNoneMatch = None
) -> Response:
    """One of a post's images. A name never comes to stand for other bytes."""
    blob = await pictures.find(gateway, gateway.ref(post_id), filename)
    tag = f'"{blob.digest}"'
    if known(if_none_match, tag):
        return Response(status_code=304, headers={**_FOR_EVER, "ETag": tag})
    data = await pictures.load(gateway, blob)
    shown = blob.media_type if blob.media_type in pictures.SHOWN else "application/octet-stream"
    headers = {**_FOR_EVER, "ETag": tag}
    return Response(data, media_type=shown, headers=headers)


@router.get(
    "/api/posts/{post_id}/export/markdown",
    response_class=Response,
    responses=_answers("text/markdown"),
)
async def markdown(
    gateway: Wired, post_id: UUID, min_seq: Sequence = 0, if_none_match: IfNoneMatch = None
) -> Response:
    """The article as Markdown, front matter and all."""
    article = exports.article(await reading.one(gateway, post_id, min_seq))
    name = f"{article.name}.md"
    return _attached(article.markdown.encode(), "text/markdown", name, if_none_match)


@router.get(
    "/api/posts/{post_id}/export/html", response_class=Response, responses=_answers("text/html")
)
async def page(
    gateway: Wired, post_id: UUID, min_seq: Sequence = 0, if_none_match: IfNoneMatch = None
) -> Response:
    """The article as a web page, sanitised."""
    article = exports.article(await reading.one(gateway, post_id, min_seq))
    rendered = await asyncio.to_thread(exports.html, article)
    return _attached(rendered.encode(), "text/html", f"{article.name}.html", if_none_match)


@router.get(
    "/api/posts/{post_id}/export/wordpress",
    response_class=Response,
    responses=_answers("text/html"),
)
async def wordpress(
    gateway: Wired, post_id: UUID, min_seq: Sequence = 0, if_none_match: IfNoneMatch = None
) -> Response:
    """The article as WordPress blocks, to be pasted into its code editor."""
    article = exports.article(await reading.one(gateway, post_id, min_seq))
    rendered = await asyncio.to_thread(exports.wordpress, article)
    name = f"{article.name}.wordpress.html"
    return _attached(rendered.encode(), "text/html", name, if_none_match)


@router.get(
    "/api/posts/{post_id}/export/all",
    response_class=Response,
    responses=_answers("application/zip"),
)
async def everything(
    gateway: Wired, post_id: UUID, min_seq: Sequence = 0, if_none_match: IfNoneMatch = None
) -> Response:
    """Article, page and images in one ZIP, with the post and all its events: the same bytes for
    the same post."""
    if min_seq:
        await reading.one(gateway, post_id, min_seq)
    kept = await archive(gateway, gateway.ref(post_id))
    article = exports.article(kept.view)
    images = {
        picture.filename: await pictures.load(gateway, picture.blob) for picture in article.pictures
    }
    post = present.whole(kept.view).model_dump_json(indent=2).encode()
    records = {"post.json": post + b"\n", "events.jsonl": kept.events}
    packed = await asyncio.to_thread(exports.packed, article, images, records)
    return _attached(packed, "application/zip", f"{article.name}.zip", if_none_match)


def _attached(data: bytes, media_type: str, name: str, if_none_match: str | None) -> Response:
    """The file, unless the client has the very same one."""
    tag = f'"{hashlib.sha256(data).hexdigest()}"'
    if known(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    attachment = f'attachment; filename="{name}"'
    headers = {**_INERT, "ETag": tag, "Content-Disposition": attachment}
    return Response(data, media_type=media_type, headers=headers)
