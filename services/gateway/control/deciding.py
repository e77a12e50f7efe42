"""From a request to a command to facts: every route that changes a post goes through `decided`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Header

from services.gateway.control.commands import execute
from services.gateway.documents.prefill import pinned
from services.gateway.web import ids
from services.gateway.web.preconditions import etag

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from fastapi import Response
    from pydantic import BaseModel

    from services.gateway.context import Gateway
    from services.gateway.web.preconditions import Expected
    from shared.domain.commands import AnyCommand
    from shared.domain.values import CommandRef
    from shared.eventlog import History

type Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="The same key again gives the first answer and changes nothing twice.",
    ),
]

SEQUENCE = "Galley-Sequence"
"""The header that tells how far the log had come when a change was stored."""


def spelled(operation: str, body: BaseModel | None = None) -> str:
    """What was asked for, the same for the same request."""
    said = body.model_dump_json(exclude_unset=True) if body else ""
    return f"{operation}\n{said}"


async def decided(
    gateway: Gateway,
    post_id: UUID,
    key: str | None,
    asked: str,
    command: Callable[[CommandRef], AnyCommand],
    *,
    expected: Expected | None = None,
) -> History:
    """Carry out a command under its id, if the post is as expected.

    Raises `Refused`, `CommandReused`, `LogUnavailable`.
    """
    ref = gateway.ref(post_id)
    by = ids.command_ref(gateway, ref, key, asked)
    told = await pinned(gateway, command(by))
    done = await execute(gateway.events, ref, told, gateway.clock, expected=expected)
    return done.history


def tell(response: Response, stored: History) -> None:
    """Say in the answer's headers how far the log has come, and which version the post has."""
    response.headers[SEQUENCE] = str(stored.last)
    response.headers["ETag"] = etag(stored.post.n)
