"""Tells the outside what is due, at least once, and every attempt is a fact.

An attempt is claimed in the log before anything is sent: its `started` must be new, so of many
replicas one sends. Who finds an attempt that began and never ended must itself win its end before
it may begin the next, so a late row sends nothing twice.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

import structlog

from services.gateway.notices.attempts import claims, delivered, failed
from services.gateway.notices.due import due
from services.gateway.notices.message import message
from services.gateway.notices.signing import signature
from services.gateway.notices.undelivered import Undelivered
from services.gateway.rows import ReadModelAway
from shared.domain.events import NoticeStarted
from shared.domain.notices import delivery_of
from shared.errors import Conflict, GalleyError, Unconfirmed
from shared.eventlog import Append

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from services.gateway.context import Gateway
    from services.gateway.notices.attempts import Reason
    from services.gateway.notices.due import Due
    from services.gateway.notices.sending import Sender
    from shared.domain.documents import Webhook
    from shared.domain.events import AnyNotice

log = structlog.get_logger()

_EVERY_S = 1.0
_MOST = 32
_AT_ONCE = 8

type Configured = Callable[[str], Awaitable[Webhook | None]]
"""Who of a tenant wants to be told, as it is set now."""


class Signing(NamedTuple):
    """What stands in every notice: the secret it is signed with, the desk its link leads to."""

    secret: str | None = None
    desk_url: str = ""


class Notices:
    """The loop over what is due. Any number of replicas may run it."""

    def __init__(
        self, gateway: Gateway, sender: Sender, configured: Configured, signing: Signing
    ) -> None:
        self._gateway = gateway
        self._sender = sender
        self._configured = configured
        self._signing = signing
        self._settled: set[Due] = set()

    async def run(self, beat: Callable[[], None] = lambda: None) -> None:
        """Tell what is due, every second, until cancelled."""
        while True:
            beat()
            await self.once(beat)
            await asyncio.sleep(_EVERY_S)

    async def once(self, beat: Callable[[], None] = lambda: None) -> None:
        """Tell what is due now. What cannot be told now is tried again next time."""
        gateway = self._gateway
        try:
            waiting = await due(gateway.rows, gateway.clock(), _MOST)
        except ReadModelAway as error:
            log.warning("notices.read_model_away", why=str(error.__cause__))
            return
        self._settled.intersection_update(waiting)
        turn = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._attend(each, turn, beat) for each in waiting))

    async def _attend(self, each: Due, turn: asyncio.Semaphore, beat: Callable[[], None]) -> None:
        async with turn:
            beat()
            try:
                await self.attend(each)
            except GalleyError as error:
                log.warning("notices.not_done", post_id=str(each.ref.id), why=str(error))

    async def attend(self, each: Due) -> None:
        """Claim the next attempt and make it, unless somebody else has, or nobody wants it."""
        if each in self._settled:
            return
        webhook = await self._configured(each.ref.tenant)
        history = await self._gateway.events.read(each.ref)
        body = message(history, each.told, each.event, self._signing.desk_url)
        if body is None:
            self._settled.add(each)
            return
        claimed = claims(each, self._unwanted(webhook, each), self._gateway.clock())
        won = await self._won(each, claimed)
        if won and webhook is not None and isinstance(claimed[-1], NoticeStarted):
            await self._send(claimed[-1], each, webhook.url, body)

    def _unwanted(self, webhook: Webhook | None, each: Due) -> Reason | None:
        """Why nobody is told of this; None when somebody is."""
        if webhook is None:
            return "no_webhook"
        if webhook.events and each.event not in webhook.events:
            return "not_wanted"
        return "no_secret" if self._signing.secret is None else None

    async def _won(self, each: Due, claimed: Sequence[AnyNotice]) -> bool:
        """These facts are ours, and nobody else's. Unconfirmed, they are taken for lost."""
        try:
            await self._append(each, *claimed)
        except Unconfirmed:
            return False
        except Conflict:
            self._settled.add(each)
            return False
        self._settled.add(each)
        return True

    async def _send(self, begun: NoticeStarted, each: Due, url: str, body: bytes) -> None:
        """Make the attempt that was claimed, and record how it ended."""
        try:
            status = await self._sender.post(url, self._headers(each, body), body)
        except Undelivered as lost:
            await self._append(each, failed(begun, lost, self._gateway.clock()))
        else:
            await self._append(each, delivered(begun, status, self._gateway.clock()))

    def _headers(self, each: Due, body: bytes) -> dict[str, str]:
        timestamp = int(self._gateway.clock().timestamp())
        return {
            "Content-Type": "application/json",
            "Galley-Event": each.event,
            "Galley-Delivery": str(delivery_of(each.ref.id, each.told)),
            "Galley-Timestamp": str(timestamp),
            "Galley-Signature": signature(self._signing.secret or "", timestamp, body),
        }

    async def _append(self, each: Due, *facts: AnyNotice) -> None:
        await self._gateway.events.append(Append(ref=each.ref, facts=facts, cause=each.told))
