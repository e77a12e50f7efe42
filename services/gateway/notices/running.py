"""The loop that tells the outside, put together from settings; it turns while a context is open."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from services.gateway.documents.settings_api import webhook
from services.gateway.notices.sending import open_sender
from services.gateway.notices.telling import Notices, Signing
from shared.domain.documents import Webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from services.gateway.context import Gateway
    from services.gateway.notices.telling import Configured
    from shared.runtime.health import Pulse
    from shared.settings import Webhook as WebhookSettings


_STUCK_S = 120.0


def watched(gateway: Gateway, told: Pulse) -> Gateway:
    """A gateway that counts as stuck when this loop does."""

    def check() -> str | None:
        return told.check(_STUCK_S)

    live, ready = {**gateway.live, "notices": check}, {**gateway.ready, "notices": check}
    return replace(gateway, live=live, ready=ready)


def configured(gateway: Gateway, settings: WebhookSettings) -> Configured:
    """Whom to tell: as the settings document says, or by default as the environment does."""
    default = Webhook(url=settings.url, events=settings.events) if settings.url else None

    async def chosen(tenant: str) -> Webhook | None:
        return await webhook(gateway.of(tenant)) or default

    return chosen


@asynccontextmanager
async def telling(
    gateway: Gateway, settings: WebhookSettings, beat: Callable[[], None] = lambda: None
) -> AsyncIterator[None]:
    """The outside is told while the context is open.

    A loop that ends by itself is a defect, and ends the context with it.
    """
    secret = settings.secret.get_secret_value() if settings.secret else None
    signing = Signing(secret, settings.desk_url)
    async with open_sender(private=settings.allow_private) as sender, asyncio.TaskGroup() as group:
        notices = Notices(gateway, sender, configured(gateway, settings), signing)
        loop = group.create_task(notices.run(beat), name="notices")
        try:
            yield
        finally:
            loop.cancel()
