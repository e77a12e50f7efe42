"""The plain page at `/`: the newest posts and where to find them, without a line of script."""

# ruff: noqa: TC001  (FastAPI reads the annotations)

from __future__ import annotations

from functools import cache
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, Response

from services.gateway.access.caller import NOBODY
from services.gateway.context import Wired
from services.gateway.rows import ReadModelAway
from services.gateway.web.problems import WITH_A_KEY
from services.gateway.web.schemas import PostFilter
from shared.domain.status import current_stage
from shared.domain.values import ORDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.post import Post

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@router.get("/")
async def index(gateway: Wired) -> HTMLResponse:
    """The posts; to who came without a key, where to find one."""
    if gateway.caller is NOBODY:
        page = Template(_asset("enter.html")).substitute(banner=_banner(gateway.simulated))
        return HTMLResponse(page, status_code=401, headers=_HEADERS | WITH_A_KEY)
    return HTMLResponse(
        Template(_asset("index.html")).substitute(
            banner=_banner(gateway.simulated), posts=await _posts(gateway)
        ),
        headers=_HEADERS,
    )


@router.get("/style.css")
async def style() -> Response:
    return Response(_asset("style.css"), media_type="text/css", headers=_HEADERS)


@router.get("/health")
async def health(gateway: Wired) -> JSONResponse:
    """That it answers; `/readyz` tells whether it can work."""
    return JSONResponse({"status": "ok", "simulated": list(gateway.simulated)})


@cache
def _asset(name: str) -> str:
    return files("services.gateway").joinpath("ui", name).read_text(encoding="utf-8")


def _banner(simulated: Sequence[str]) -> str:
    if not simulated:
        return ""
    names = escape(", ".join(simulated))
    return f'<p class="banner">SIMULATED: {names}. Nothing here was written by a real model.</p>'


async def _posts(gateway: Wired) -> str:
    try:
        listed = await gateway.rows.posts(gateway.tenant, PostFilter())
    except ReadModelAway:
        return "<p>The list cannot be read just now; it will be back by itself.</p>"
    if not listed.posts:
        return "<p>There are no posts yet.</p>"
    rows = "\n".join(_row(post) for post in listed.posts)
    head = "<tr><th>Topic</th><th>Stage</th><th>Done</th><th>Take away</th></tr>"
    return f'<div class="wide"><table>{head}\n{rows}</table></div>'


def _row(post: Post) -> str:
    done = sum(post.done(stage) for stage in ORDER)
    topic = escape(post.config.topic if post.config else str(post.id))
    return (
        f'<tr><td><a href="/api/posts/{post.id}">{topic}</a></td>'
        f"<td>{escape(current_stage(post))}</td>"
        f'<td class="stages">{done} of {len(ORDER)}</td><td>{_links(post)}</td></tr>'
    )


def _links(post: Post) -> str:
    if not any(post.stages[stage].output for stage in ORDER[3:]):
        return ""
    base = f"/api/posts/{post.id}/export"
    return (
        f'<a href="{base}/markdown">Markdown</a> <a href="{base}/html">HTML</a>'
        f' <a href="{base}/all">ZIP</a>'
    )
