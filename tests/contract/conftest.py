"""The same log twice: in memory, and on a real server with the real users."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from shared.domain.values import Stage
from shared.jetstream import open_documents, open_inbox, open_live, open_log, open_media
from shared.testing.documents import MemoryDocuments
from shared.testing.memory import MemoryInbox, MemoryLive, MemoryLog, MemoryMedia
from tests.integration.jetstream.server import galley_nats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.eventlog import Documents, EventLog, Inbox, Live, Media, PostLog
    from tests.integration.jetstream.server import GalleyNats

__all__ = ["galley_nats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The log as the gateway and as the research stage see it, and what stands beside it."""

    gateway: PostLog
    research: EventLog
    documents: Documents
    read_by_research: Documents
    inbox: Inbox
    media: Media
    erased_by: Media
    told_by: Live
    heard_by: Live


@pytest.fixture(params=["memory", pytest.param("jetstream", marks=pytest.mark.integration)])
def server(request: pytest.FixtureRequest) -> GalleyNats | None:
    if request.param == "memory":
        return None
    found: GalleyNats = request.getfixturevalue("galley_nats")
    return found


@pytest.fixture
async def world(server: GalleyNats | None) -> AsyncIterator[World]:
    async with _in_memory() if server is None else _on_server(server) as made:
        yield made


@asynccontextmanager
async def _in_memory() -> AsyncIterator[World]:
    log, live = MemoryLog(), MemoryLive()
    documents, media = MemoryDocuments(log), MemoryMedia()
    yield World(
        gateway=log,
        research=log,
        documents=documents,
        read_by_research=documents,
        inbox=MemoryInbox(log, Stage.RESEARCH),
        media=media,
        erased_by=media,
        told_by=live,
        heard_by=live,
    )


@asynccontextmanager
async def _on_server(server: GalleyNats) -> AsyncIterator[World]:
    async with (
        server.empty(),
        server.connect("gateway") as gateway,
        server.connect("research") as research,
        server.connect("images") as images,
        server.connect("eraser") as eraser,
    ):
        yield World(
            gateway=open_log(gateway, "gateway"),
            research=open_log(research, "research"),
            documents=open_documents(gateway, "gateway"),
            read_by_research=open_documents(research, "research"),
            inbox=open_inbox(research, Stage.RESEARCH),
            media=open_media(images),
            erased_by=open_media(eraser),
            told_by=open_live(research),
            heard_by=open_live(gateway),
        )
        refused = [*gateway.alarms, *research.alarms, *images.alarms, *eraser.alarms]
        assert refused == []
