"""What may be asked of the costs and the logs of all posts, and within what bounds."""

# ruff: noqa: TC001, TC003  (pydantic reads the annotations)

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from services.gateway.web.schemas import Asked, Cursor, Instant, Sequence
from services.gateway.web.text import Line
from shared.domain.values import Stage

type Group = Literal["stage", "model", "profile", "day"]


class CostFilter(Asked):
    """Which calls to count: of the last `days` days (UTC, today included)."""

    days: Annotated[int, Field(ge=1, le=3_650)] = 30
    profile_id: UUID | None = None
    model: Annotated[Line, Field(max_length=200)] = ""
    stage: Stage | None = None
    group: Group = "stage"
    min_seq: Sequence = 0


class LogFilter(Asked):
    """Which entries to show: after `since`, up to `until`, with `q` in their message."""

    level: list[Literal["info", "warning", "error"]] = Field(default_factory=list)
    stage: Stage | None = None
    since: Instant | None = None
    until: Instant | None = None
    profile_id: UUID | None = None
    q: Annotated[Line, Field(max_length=200)] = ""
    order: Literal["asc", "desc"] = "desc"
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100
    cursor: Cursor | None = None
    min_seq: Sequence = 0
