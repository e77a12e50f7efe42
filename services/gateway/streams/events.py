"""The streams' addresses: one post's events, and everybody's."""

# ruff: noqa: TC001, TC002, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from services.gateway.context import Wired
from services.gateway.streams.sse import EventStream
from services.gateway.streams.stream import open_stream, resume_from
from services.gateway.web.documented import STREAMED

router = APIRouter(prefix="/api/events", tags=["events"], responses=STREAMED)

type LastHeader = Annotated[str | None, Header(alias="Last-Event-ID")]
type LastQuery = Annotated[str | None, Query(alias="last_event_id")]


@router.get("/{post_id}", status_code=200, response_class=EventStream)
async def post_events(
    gateway: Wired, post_id: UUID, header: LastHeader = None, query: LastQuery = None
) -> Response:
    """What happens to one post. Begins with a `snapshot`, or after the last event id."""
    after = resume_from(header, query)
    return EventStream(*await open_stream(gateway, gateway.ref(post_id), after))


@router.get("", status_code=200, response_class=EventStream)
async def all_events(
    gateway: Wired, header: LastHeader = None, query: LastQuery = None
) -> Response:
    """What happens to all posts, from now on or after the last event id."""
    return EventStream(*await open_stream(gateway, None, resume_from(header, query)))
