"""What the gateway is made of, wired once and handed to every route."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from shared.domain.subjects import PostRef

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from services.gateway.commands import Clock
    from services.gateway.feed import Feed
    from services.gateway.past import Past
    from services.gateway.rows import ReadModel
    from services.gateway.views import Views
    from shared.domain.values import ModelSettings, Stage
    from shared.eventlog import EventLog, Media
    from shared.runtime.health import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """`simulated` names the providers that are not real; `models` are pinned to every new post."""

    tenant: str
    events: EventLog
    media: Media
    rows: ReadModel
    views: Views
    feed: Feed
    past: Past
    clock: Clock
    simulated: tuple[str, ...] = ()
    models: Mapping[Stage, ModelSettings] = field(default_factory=dict)
    live: Mapping[str, Check] = field(default_factory=dict)
    ready: Mapping[str, Check] = field(default_factory=dict)
    heartbeat_s: float = 15.0
    patience_s: float = 5.0

    def ref(self, post_id: UUID) -> PostRef:
        return PostRef(self.tenant, post_id)


async def _of(request: Request) -> Gateway:
    """Async, because FastAPI sends every other function to a thread of its own."""
    return cast("Gateway", request.app.state.gateway)


type Wired = Annotated[Gateway, Depends(_of)]
