"""Many posts at once: all of them come into being, in one atomic write, or none does."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from fastapi import APIRouter, Request, Response

from services.gateway.context import Wired
from services.gateway.control.deciding import SEQUENCE, Key, spelled
from services.gateway.documents.prefill import Defaults, defaults
from services.gateway.posts import present
from services.gateway.posts.batch_rows import BadRows, read
from services.gateway.posts.batch_writing import Row, write
from services.gateway.web import ids
from services.gateway.web.answers import PostSummary, RowProblem
from services.gateway.web.body_limit import Allowance
from services.gateway.web.documented import WRITTEN
from services.gateway.web.problems import WrongMethod
from services.gateway.web.schemas import PostCreate
from shared.eventlog import History

router = APIRouter(prefix="/api/posts", tags=["posts"])

MAX_BODY = 8_000_000
_MOST_PROFILES = 900
BODY = Allowance(
    "POST",
    re.compile(r"/api/posts/batch"),
    MAX_BODY,
    frozenset({"application/json", "text/csv"}),
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/PostCreate"},
                    "minItems": 1,
                    "maxItems": 1_000,
                }
            },
            "text/csv": {
                "schema": {"type": "string"},
                "example": "topic,word_count,related_keywords\nCrate training,1500,puppy;crate\n",
            },
        },
    }
}


@router.post(
    "/batch",
    status_code=201,
    responses=WRITTEN,
    response_model=list[PostSummary],
    openapi_extra=_BODY,
)
async def create_posts(
    gateway: Wired, request: Request, response: Response, idempotency_key: Key = None
) -> list[PostSummary] | Response:
    """Hand in 1 to 1,000 topics, as a JSON list or as CSV whose first row names the fields."""
    try:
        asked = read(await request.body(), request.headers.get("content-type", ""))
        stored = await _stored(gateway, asked, idempotency_key)
    except BadRows as refused:
        return refused.answer()
    response.headers[SEQUENCE] = str(max(history.last for history in stored))
    return [present.summary(history.post) for history in stored]


@router.api_route(
    "/batch",
    methods=["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"],
    include_in_schema=False,
)
async def only_handed_in() -> None:
    """Without this, the address would be taken for a post's."""
    raise WrongMethod("POST")


async def _stored(gateway: Wired, asked: Sequence[PostCreate], key: str | None) -> list[History]:
    """Raises `BadRows`, with the code that a single post would get; what a batch has stored before
    is not judged again."""
    profiles = {each.profile_id for each in asked}
    if len(profiles) > _MOST_PROFILES:
        raise BadRows(f"a batch names at most {_MOST_PROFILES} profiles")
    behind = await defaults(gateway, profiles)
    rows = _rows(gateway, asked, key, behind)
    unknown = [
        RowProblem(row=number, field="profile_id", problem="there is no such profile")
        for number, each in enumerate(asked, 1)
        if not behind.knows(each.profile_id)
    ]
    if unknown and await gateway.events.last(rows[0].ref) is None:
        detail = "rows of the batch name profiles that do not exist"
        raise BadRows(detail, unknown, code="no-such-profile", status=404)
    return await write(gateway, rows)


def _rows(
    gateway: Wired, asked: Sequence[PostCreate], key: str | None, behind: Defaults
) -> list[Row]:
    whole = sha256("\n".join(spelled("row", each) for each in asked).encode()).hexdigest()

    def row(number: int, each: PostCreate) -> Row:
        ref = gateway.ref(ids.row_id(gateway, key, number))
        by = ids.command_ref(gateway, ref, key, f"batch\n{whole}")
        return Row(number, ref, each.slug, lambda slug: behind.order(each, by, ref.id, slug))

    return [row(number, each) for number, each in enumerate(asked, 1)]
