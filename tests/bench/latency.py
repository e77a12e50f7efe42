"""How long one post takes when nothing else is going on, as a client of the stream sees it."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from statistics import quantiles
from typing import TYPE_CHECKING

import httpx
from httpx_sse import EventSource, aconnect_sse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from tests.bench.rig import Rig

ENDS = "pipeline_complete"


class Endings:
    """When the gateway's stream said that a post was complete."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._news = asyncio.Event()

    async def of(self, post: str) -> float:
        """Wait for it; a `time.perf_counter()`."""
        while post not in self._seen:
            self._news.clear()
            await self._news.wait()
        return self._seen[post]

    async def listen(self, source: EventSource) -> None:
        """Take note until the stream ends."""
        async for event in source.aiter_sse():
            if event.event == ENDS:
                self._seen[json.loads(event.data)["post_id"]] = time.perf_counter()
                self._news.set()


@asynccontextmanager
async def endings(gateway: str, key: str) -> AsyncIterator[Endings]:
    """Follow all posts while the context is open."""
    heard, shown = Endings(), {"Authorization": f"Bearer {key}"}
    async with (
        httpx.AsyncClient(
            base_url=gateway, headers=shown, timeout=httpx.Timeout(10.0, read=None)
        ) as http,
        aconnect_sse(http, "GET", "/api/events") as source,
        asyncio.TaskGroup() as tasks,
    ):
        source.response.raise_for_status()
        listening = tasks.create_task(heard.listen(source))
        yield heard
        listening.cancel()


async def latencies(rig: Rig, count: int) -> dict[str, float]:
    """Of each post, the seconds from handing it in to the stream's last event, one by one."""
    taken: dict[str, float] = {}
    async with endings(rig.gateway, rig.key) as heard, rig.posts() as posts:
        for number in range(count):
            began = time.perf_counter()
            post = await posts.create(f"How to time a puppy {number}")
            taken[post] = await heard.of(post) - began
    return taken


def percentile(values: Collection[float], hundredth: int) -> float:
    """The value that `hundredth` percent do not exceed; of a single value, that one."""
    if len(values) == 1:
        return next(iter(values))
    return quantiles(values, n=100, method="inclusive")[hundredth - 1]
