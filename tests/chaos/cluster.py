"""nats-servers as we ship them, one or three, that may be killed, paused and cut off.

A killed or paused server is the same afterwards: name, port and data stay. The servers of a cluster
reach each other through proxies, one for each pair and direction of dialling, and in no other way.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import TYPE_CHECKING

import nats.errors
from nats.js.errors import APIError

from shared.errors import LogUnavailable, Misconfigured
from shared.jetstream import ADMIN, ensure, server_config
from shared.jetstream.rights import STREAM
from shared.local.nats_server import nats_server
from shared.local.ports import LOOPBACK, free_ports
from shared.local.processes import Child, Command, spawn
from tests.chaos.proxy import serve_proxy
from tests.integration.jetstream.server import PASSWORDS, GalleyNats

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from pathlib import Path

    from shared.jetstream import Connection
    from shared.local.nats_server import NatsServer
    from tests.chaos.proxy import Proxy

LOOK_EVERY_S = 0.05
SETTLED_WITHIN_S = 60.0
NOBODY = f"{LOOPBACK}:1"
"""What servers tell each other of their address: the proxies are the only way."""


@dataclass(slots=True)
class Node:
    """A server and, while it runs, its process."""

    server: NatsServer
    child: Child | None = None

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def galley(self) -> GalleyNats:
        return GalleyNats(self.server.url)

    async def start(self) -> None:
        """Return once it greets clients."""
        self.child = await spawn(self.server.command)
        await self.server.ready(self.child)

    async def kill(self) -> None:
        """SIGKILL; nothing if it does not run."""
        if self.child is not None:
            self.child.kill()
            await self.child.wait()
            self.child = None

    def pause(self) -> None:
        os.kill(self._running.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self._running.pid, signal.SIGCONT)

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def _running(self) -> Child:
        if self.child is None:
            raise LookupError(f"{self.name} does not run")
        return self.child


@dataclass(frozen=True, slots=True)
class Cluster:
    """Servers that hold one log together. `links` by who dials whom."""

    nodes: Sequence[Node]
    links: dict[tuple[int, int], Proxy] = field(default_factory=dict)

    @property
    def galley(self) -> GalleyNats:
        """All of them at once: a client tries one after the other."""
        return GalleyNats(",".join(node.server.url for node in self.nodes))

    async def leader(self) -> Node:
        """Who leads the log; waits until somebody does."""
        async with self.galley.connect(ADMIN) as admin:
            name = await _settled(lambda: _leader(admin))
        return next(node for node in self.nodes if node.name == name)

    def cut_off(self, *nodes: Node) -> None:
        """These, together, reach none of the others until `heal`."""
        apart = {self.nodes.index(node) for node in nodes}
        for (dialler, dialled), link in self.links.items():
            if (dialler in apart) != (dialled in apart):
                link.hold()

    def heal(self) -> None:
        for link in self.links.values():
            link.release()

    async def whole(self) -> None:
        """Wait until every server has caught up with the leader."""
        async with self.galley.connect(ADMIN) as admin:
            await _settled(lambda: _all_current(admin, len(self.nodes)))


@asynccontextmanager
async def serve_node(
    data_dir: Path,
    *,
    sync_interval: str = "always",
    run_as: Callable[[Command], Command] = lambda command: command,
) -> AsyncIterator[Node]:
    """One server with Galley's topology. `run_as` may put something around its command."""
    node = _node(server_config(PASSWORDS, sync_interval=sync_interval), data_dir, run_as=run_as)
    try:
        await node.start()
        async with node.galley.connect(ADMIN) as admin:
            await ensure(admin)
        yield node
    finally:
        await node.kill()


@asynccontextmanager
async def serve_again(
    data_dir: Path, run_as: Callable[[Command], Command] = lambda command: command
) -> AsyncIterator[Node]:
    """One server on data that another has left."""
    node = _node(server_config(PASSWORDS), data_dir, run_as=run_as)
    try:
        await node.start()
        yield node
    finally:
        await node.kill()


@asynccontextmanager
async def serve_cluster(data_dir: Path, size: int = 3) -> AsyncIterator[Cluster]:
    """Servers of one cluster, with Galley's topology on all of them."""
    routes = free_ports(size)
    async with AsyncExitStack() as stack:
        links = {
            (here, there): await stack.enter_async_context(serve_proxy(routes[there]))
            for here, there in permutations(range(size), 2)
        }
        nodes = [_node(_member(at, routes[at], links), data_dir / f"n{at}") for at in range(size)]
        cluster = Cluster(nodes, links)
        for node in nodes:
            stack.push_async_callback(node.kill)
        await asyncio.gather(*(node.start() for node in nodes))
        async with cluster.galley.connect(ADMIN) as admin:
            await _settled(lambda: _ensured(admin, size))
        yield cluster


def _node(
    config: str, data_dir: Path, *, run_as: Callable[[Command], Command] = lambda command: command
) -> Node:
    made = nats_server(config, data_dir)
    return Node(replace(made, command=run_as(made.command)))


def _member(at: int, port: int, links: dict[tuple[int, int], Proxy]) -> str:
    """The configuration of one machine, and where the others are."""
    others = [f"nats-route://{LOOPBACK}:{link.port}" for (me, _), link in links.items() if me == at]
    return (
        f"{server_config(PASSWORDS)}"
        f'cluster {{ name: galley, listen: "{LOOPBACK}:{port}", advertise: "{NOBODY}"\n'
        f"  no_advertise: true, routes: [{', '.join(others)}] }}\n"
    )


async def _settled[T](look: Callable[[], Awaitable[T | None]]) -> T:
    """What `look` finds, asked again while there is nothing to be found or nobody answers."""
    async with asyncio.timeout(SETTLED_WITHIN_S):
        while True:
            try:
                if (found := await look()) is not None:
                    return found
            except (APIError, nats.errors.Error, LogUnavailable, Misconfigured, OSError):
                pass  # it is not settled yet; the limit around says when it never will be
            await asyncio.sleep(LOOK_EVERY_S)


async def _ensured(admin: Connection, replicas: int) -> bool:
    await ensure(admin, replicas=replicas)
    return True


async def _leader(admin: Connection) -> str | None:
    told = await admin.nc.jetstream().stream_info(STREAM)
    return told.cluster.leader if told.cluster else None


async def _all_current(admin: Connection, size: int) -> bool | None:
    told = (await admin.nc.jetstream().stream_info(STREAM)).cluster
    if told is None or not told.leader:
        return None
    current = [replica for replica in told.replicas or () if replica.current]
    return True if len(current) == size - 1 else None
