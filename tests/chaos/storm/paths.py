"""The TCP paths between the services and what they talk to, each through a proxy that can fail.

The plant tells its services where the proxies listen; the proxies learn where the servers listen
once these are there.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from shared.local.environment import PATHS
from shared.local.ports import LOOPBACK
from tests.chaos.proxy import Proxy, serve_proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared.local.plant import Plant

LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Paths:
    """To nats-server, and to the simulated providers."""

    nats: Proxy
    providers: Proxy

    @property
    def settings(self) -> dict[str, str]:
        """What the services are told."""
        told = {"GALLEY_NATS_URL": self.nats.url}
        for provider, path in PATHS.items():
            where = f"http://{LOOPBACK}:{self.providers.port}{path}"
            told[f"GALLEY_{provider.upper()}_BASE_URL"] = where
        return told

    def lead_to(self, plant: Plant) -> None:
        self.providers.target = urlsplit(plant.address.simulator).port or 0

    async def find_nats(self, data: Path) -> None:
        """Until the server of this data directory is there: its first start chooses its port."""
        pid_file = data / "nats" / "nats-server.pid"
        while not self.nats.target:
            await asyncio.sleep(LOOK_S)
            with suppress(OSError, ValueError, psutil.Error, IndexError):
                words = psutil.Process(json.loads(pid_file.read_text())["pid"]).cmdline()
                self.nats.target = int(words[words.index("-p") + 1])


@asynccontextmanager
async def failing_paths(data: Path) -> AsyncIterator[Paths]:
    """The proxies; the one to nats-server finds its own way."""
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(serve_proxy(0))
        paths = Paths(nats, await stack.enter_async_context(serve_proxy(0)))
        finding = asyncio.create_task(paths.find_nats(data))
        try:
            yield paths
        finally:
            finding.cancel()
            await asyncio.gather(finding, return_exceptions=True)
