"""What the gateway is made of, wired once and handed to every route."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request

from services.gateway.access.caller import CALLER, NOBODY
from services.gateway.files.darkroom import Darkroom
from services.gateway.posts.gathering import Gathering
from shared.domain.subjects import PostRef

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from services.gateway.access.caller import Caller
    from services.gateway.access.keyring import Keyring
    from services.gateway.access.limits import Limits
    from services.gateway.control.commands import Clock
    from services.gateway.documents.model_choices import Choices
    from services.gateway.posts.views import Views
    from services.gateway.queue.queue_rows import QueueRows
    from services.gateway.queue.workforce import Workforce
    from services.gateway.rows import ReadModel
    from services.gateway.streams.feed import Feed
    from services.gateway.streams.past import Past
    from shared.domain.values import ModelSettings, Stage
    from shared.eventlog import Documents, Media, PostLog
    from shared.runtime.budgets import Budgets
    from shared.runtime.health import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A route is handed one bound to its `caller`.

    `simulated` names the providers that are not real; `models` are every stage's default.
    `choices` is what a stage's model may be set to, `shipped` the rules its service came with;
    all three name every stage. `signs` says that there is a secret to sign notices with, `day_usd`
    is the cap of a day where the settings name none.
    """

    tenant: str
    keyring: Keyring
    limits: Limits
    events: PostLog
    documents: Documents
    media: Media
    rows: ReadModel
    views: Views
    feed: Feed
    past: Past
    clock: Clock
    queue: QueueRows
    workforce: Workforce
    budgets: Budgets
    models: Mapping[Stage, ModelSettings]
    choices: Mapping[Stage, Choices]
    shipped: Mapping[Stage, str]
    gathering: Gathering = field(default_factory=Gathering)
    darkroom: Darkroom = field(default_factory=Darkroom)
    caller: Caller = NOBODY
    hosts: tuple[str, ...] = ()
    simulated: tuple[str, ...] = ()
    signs: bool = False
    day_usd: float | None = None
    live: Mapping[str, Check] = field(default_factory=dict)
    ready: Mapping[str, Check] = field(default_factory=dict)
    heartbeat_s: float = 15.0
    patience_s: float = 5.0

    def ref(self, post_id: UUID) -> PostRef:
        return PostRef(self.tenant, post_id)

    @property
    def actor(self) -> str:
        """In whose name this request acts."""
        return self.caller.name

    def bound(self, caller: Caller) -> Gateway:
        """The same for one request: in the name of who asks, and of their tenant only."""
        return replace(self.of(caller.tenant), caller=caller)

    def of(self, tenant: str) -> Gateway:
        """The same for one tenant."""
        past, queue = self.past.of(tenant), self.queue.of(tenant)
        return replace(self, tenant=tenant, past=past, queue=queue)

    @property
    def tenants(self) -> frozenset[str]:
        """Every tenant that has or had a key, and the gateway's own."""
        return self.keyring.tenants | {self.tenant}


async def _of(request: Request) -> Gateway:
    """Async, because FastAPI sends every other function to a thread of its own."""
    gateway = cast("Gateway", request.app.state.gateway)
    caller = cast("Caller", request.scope[CALLER])
    return gateway if caller is NOBODY else gateway.bound(caller)


type Wired = Annotated[Gateway, Depends(_of)]
