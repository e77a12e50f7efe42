"""The streams' addresses: one post's events, and everybody's."""

# ruff: noqa: TC001, TC002, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import Annotated, get_args
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from pydantic.config import JsonDict

from services.gateway.context import Wired
from services.gateway.streams.sse import EventStream
from services.gateway.streams.stream import open_stream, resume_from
from services.gateway.web.documented import STREAMED, Responses
from shared.domain.journal import EntryName

_EVENT = {
    "type": "object",
    "description": "One event. `data` is JSON on one line; a `snapshot` is the post's state.",
    "required": ["event", "data"],
    "additionalProperties": False,
    "properties": {
        "id": {
            "type": "string",
            "pattern": "^[0-9]{1,20}$",
            "description": "Resume after it. What is never stored has none.",
        },
        "event": {
            "enum": [*get_args(EntryName.__value__), "snapshot", "reset", "tokens"],
        },
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {
                "type": "object",
                "properties": {
                    "event": {"type": "string"},
                    "post_id": {"type": "string", "format": "uuid"},
                    "seq": {"type": "integer", "minimum": 0},
                },
            },
        },
    },
}
_TOLD: Responses = {
    200: {
        "description": "Events, for as long as the client listens",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}

router = APIRouter(prefix="/api/events", tags=["events"], responses=STREAMED | _TOLD)

_ID: JsonDict = {"pattern": "^[0-9]{0,20}$"}
type LastHeader = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="Go on after this event; it counts before `last_event_id`.",
        json_schema_extra=_ID,
    ),
]
type LastQuery = Annotated[
    str | None,
    Query(
        alias="last_event_id",
        description="Go on after this event, for who cannot send headers.",
        json_schema_extra=_ID,
    ),
]


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
