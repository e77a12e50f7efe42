"""From a request to a command to facts: every route that changes a post goes through `decided`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Header

from services.gateway import ids
from services.gateway.commands import execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from pydantic import BaseModel

    from services.gateway.context import Gateway
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
    actor: str = "local",
) -> History:
    """Carry out a command under its id. Raises `Refused`, `CommandReused`, `LogUnavailable`."""
    ref = gateway.ref(post_id)
    by = ids.command_ref(ref, key, asked, actor)
    return (await execute(gateway.events, ref, command(by), gateway.clock)).history
