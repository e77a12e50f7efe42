"""A post as the log alone tells it: the gateway's own answer, with no read model to ask."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import psutil

from services.gateway.posts import present
from services.gateway.wiring import assemble, read_model
from shared.jetstream import GATEWAY, connect, open_documents, open_live, open_log, open_media
from shared.settings import Models

if TYPE_CHECKING:
    from services.gateway.context import Gateway
    from tests.e2e.press import Press, Row

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


async def replayed(press: Press, posts: list[str]) -> list[Row]:
    """What a gateway would answer about these posts if there were no rows."""
    told = psutil.Process(press.plant.pids()["gateway"]).environ()
    nats = (told["GALLEY_NATS_URL"], told["GALLEY_NATS_USER"], told["GALLEY_NATS_PASSWORD"])
    async with connect(*nats, "replay") as connection, read_model(NOWHERE) as rows:
        gateway, _ = assemble(
            tenant="main",
            events=open_log(connection, GATEWAY),
            documents=open_documents(connection, GATEWAY),
            media=open_media(connection),
            live=open_live(connection),
            rows=rows,
            clock=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            models=Models(models={}, perplexity_wire="agent").of_stages(),
        )
        return [await _told(gateway, UUID(post)) for post in posts]


async def _told(gateway: Gateway, post: UUID) -> Row:
    view = await gateway.views.view(gateway.ref(post))
    last = (await gateway.events.state()).last
    entries = [entry async for page in gateway.past.entries(post, 0, last) for _, entry in page]
    whole = present.whole(view).model_dump(mode="json")
    return {
        **whole,
        "execution_logs": [present.entry(each).model_dump(mode="json") for each in entries],
    }
