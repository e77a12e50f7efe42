"""Images and exports over HTTP."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

import asyncio
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from services.gateway import exports, pictures, reading
from services.gateway.context import Wired
from services.gateway.documented import READ
from services.gateway.schemas import Sequence

router = APIRouter(tags=["files"], responses=READ)

_NOSNIFF = {"X-Content-Type-Options": "nosniff"}
_INERT = {**_NOSNIFF, "Content-Security-Policy": "default-src 'none'; sandbox"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", **_INERT}


@router.get("/media/{post_id}/{filename}", response_class=Response)
async def image(gateway: Wired, post_id: UUID, filename: str) -> Response:
    """One of a post's images. A name never comes to stand for other bytes."""
    blob = await pictures.find(gateway, gateway.ref(post_id), filename)
    data = await pictures.load(gateway, blob)
    shown = blob.media_type if blob.media_type in pictures.SHOWN else "application/octet-stream"
    headers = {**_FOR_EVER, "ETag": f'"{blob.digest}"'}
    return Response(data, media_type=shown, headers=headers)


@router.get("/api/posts/{post_id}/export/markdown", response_class=Response)
async def markdown(gateway: Wired, post_id: UUID, min_seq: Sequence = 0) -> Response:
    """The article as Markdown, front matter and all."""
    article = exports.article(await reading.one(gateway, post_id, min_seq))
    return _attached(article.markdown.encode(), "text/markdown", f"{article.name}.md")


@router.get("/api/posts/{post_id}/export/html", response_class=Response)
async def page(gateway: Wired, post_id: UUID, min_seq: Sequence = 0) -> Response:
    """The article as a web page, sanitised."""
    article = exports.article(await reading.one(gateway, post_id, min_seq))
    rendered = await asyncio.to_thread(exports.html, article)
    return _attached(rendered.encode(), "text/html", f"{article.name}.html")


@router.get("/api/posts/{post_id}/export/all", response_class=Response)
async def archive(gateway: Wired, post_id: UUID, min_seq: Sequence = 0) -> Response:
    """Markdown, page and images in one ZIP, the same bytes for the same post."""
    article = exports.article(await reading.one(gateway, post_id, min_seq))
    images = {
        picture.filename: await pictures.load(gateway, picture.blob) for picture in article.pictures
    }
    packed = await asyncio.to_thread(exports.packed, article, images)
    return _attached(packed, "application/zip", f"{article.name}.zip")


def _attached(data: bytes, media_type: str, name: str) -> Response:
    headers = {**_INERT, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=media_type, headers=headers)
