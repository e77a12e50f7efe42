"""A gateway on a log in memory, with Postgres away: what it answers, it answers from the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest

from services.gateway.app import create_app
from services.gateway.control.commands import execute
from services.gateway.wiring import assemble, read_model, running
from shared.domain.commands import CompleteStage, FailStage
from shared.domain.documents import Kind
from shared.domain.keys import Role
from shared.domain.values import ORDER, Metrics, Stage
from shared.errors import LogUnavailable, Unconfirmed
from shared.runtime.health import serve
from shared.settings import Models
from shared.testing import NOW
from shared.testing.access import BEARER, KEY, key_of, shown, standing
from shared.testing.documents import MemoryDocuments
from shared.testing.memory import MemoryLive, MemoryLog, MemoryMedia

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from fastapi import FastAPI

    from services.gateway.context import Gateway
    from shared.domain.commands import AnyCommand
    from shared.domain.documents import DocRef, Document, Standing, Version
    from shared.domain.events import Recorded
    from shared.domain.subjects import PostRef
    from shared.eventlog import Append, History, Stored
    from shared.runtime.health import Pulse

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
TOOK = Metrics(model="m", tokens_in=10, tokens_out=20, duration_s=1.234, cost_usd=0.1234567)


class ShakyLog(MemoryLog):
    """A log that can be away, forget to confirm, or break in a way nobody has thought of.

    `before` names what happens once before the next "read", "append" or "answer of last"; while
    `held` is clear, the tail tells nothing.
    """

    away = False
    broken: BaseException | None = None
    unconfirmed = 0

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self.held = asyncio.Event()
        self.held.set()

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        self._reach()
        await self._meanwhile("read")
        return await super().read(ref, calls)

    async def tail(self, after: int) -> AsyncIterator[Sequence[Stored]]:
        async for batch in super().tail(after):
            await self.held.wait()
            yield batch

    async def last(self, ref: PostRef) -> Recorded | None:
        self._reach()
        found = await super().last(ref)
        await self._meanwhile("answer of last")
        return found

    async def append_all(self, appends: Sequence[Append]) -> tuple[tuple[int, ...], ...]:
        self._reach()
        await self._meanwhile("append")
        stored = await super().append_all(appends)
        if self.unconfirmed:
            self.unconfirmed -= 1
            raise Unconfirmed("the server did not say")
        return stored

    async def _meanwhile(self, operation: str) -> None:
        others = self.before.pop(operation, None)
        if others is not None:
            await others()

    def _reach(self) -> None:
        if self.broken is not None:
            raise self.broken
        if self.away:
            raise LogUnavailable("the log is away")


class ShakyDocuments(MemoryDocuments):
    """Documents on a log that can be away, or forget to confirm."""

    away = False
    unconfirmed = 0

    async def standing(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Standing]:
        self._reach()
        return await super().standing(refs)

    async def every(self, tenant: str, kind: Kind) -> Sequence[Version]:
        self._reach()
        return await super().every(tenant, kind)

    async def everywhere(self, kind: Kind) -> Sequence[Standing]:
        """With the key of the tests, which was there before the log began."""
        self._reach()
        before = [standing(KEY)] if kind is Kind.KEY else []
        return [*before, *await super().everywhere(kind)]

    async def history(self, ref: DocRef) -> Sequence[Version]:
        self._reach()
        return await super().history(ref)

    async def write(self, ref: DocRef, document: Document, after: int) -> int:
        stored = await super().write(ref, document, after)
        if self.unconfirmed:
            self.unconfirmed -= 1
            raise Unconfirmed("the server did not say")
        return stored

    def _reach(self) -> None:
        if self.away:
            raise LogUnavailable("the log is away")


@dataclass
class House:
    """The gateway and what stands behind it; `at` is the time by its clock."""

    gateway: Gateway
    attended: Pulse
    app: FastAPI
    client: httpx.AsyncClient
    events: ShakyLog
    documents: ShakyDocuments
    media: MemoryMedia
    live: MemoryLive
    at: list[datetime] = field(default_factory=lambda: [NOW])

    def later(self, **by: float) -> None:
        self.at[0] += timedelta(**by)

    async def posted(self, **body: Any) -> UUID:
        """A new post's id."""
        answer = await self.client.post("/api/posts", json={"topic": "A topic", **body})
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    def key(self, name: str, role: Role = Role.ADMIN, tenant: str = "main") -> dict[str, str]:
        """The header that shows a key of this name, which was there before."""
        text = key_of(name, tenant)
        self.gateway.keyring.take(standing(text, name, role))
        return shown(text)

    def ref(self, post: UUID) -> PostRef:
        return self.gateway.ref(post)

    async def done(self, command: AnyCommand) -> None:
        """Do as a stage or a duty does."""
        await execute(self.events, self.ref(command.post_id), command, self.gateway.clock)

    async def run(self, post: UUID) -> int:
        active = (await self.events.read(self.ref(post))).post.active
        assert active is not None
        return active.run

    async def complete(self, post: UUID, *stages: Stage, output: str | None = None) -> None:
        for stage in stages:
            text = f"# The {stage}\n\nText." if output is None else output
            run = await self.run(post)
            command = CompleteStage(post_id=post, stage=stage, run=run, output=text, metrics=TOOK)
            await self.done(command)

    async def fail(self, post: UUID, stage: Stage) -> None:
        run = await self.run(post)
        await self.done(
            FailStage(post_id=post, stage=stage, run=run, code="timeout", message="too slow")
        )

    async def finish(self, post: UUID) -> None:
        await self.complete(post, *ORDER)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    events, media, live = ShakyLog(), MemoryMedia(), MemoryLive()
    documents = ShakyDocuments(events)
    at = [NOW]
    async with read_model(NOWHERE) as rows:
        gateway, attended = assemble(
            tenant="main",
            events=events,
            documents=documents,
            media=media,
            live=live,
            rows=rows,
            clock=lambda: at[0],
            monotonic=monotonic,
            models=Models(models={}, perplexity_wire="agent").of_stages(),
            signs=True,
            hosts=("galley",),
            patience_s=0.2,
            heartbeat_s=0.2,
        )
        app = create_app(gateway)
        transport = httpx.ASGITransport(app=app)
        async with (
            running(gateway, attended),
            httpx.AsyncClient(
                transport=transport, base_url="http://galley", headers=BEARER
            ) as client,
        ):
            await gateway.keyring.loaded()
            yield House(gateway, attended, app, client, events, documents, media, live, at)


_DOCUMENT: dict[str, Any] = {}
"""Making it takes the better part of a second, and it is the same for every house."""


@pytest.fixture
def document(house: House) -> dict[str, Any]:
    """The OpenAPI document."""
    if not _DOCUMENT:
        _DOCUMENT.update(house.app.openapi())
    return _DOCUMENT


@pytest.fixture
async def served(house: House) -> AsyncIterator[House]:
    """The same on a real socket: what streams need."""
    async with (
        serve(house.app, "127.0.0.1", 0, drain_s=1) as where,
        httpx.AsyncClient(base_url=where.url, headers=BEARER, timeout=5) as client,
    ):
        yield replace(house, client=client)
        house.gateway.feed.close()
