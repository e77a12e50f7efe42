"""A whole Galley on one machine: nats-server, Postgres, the simulator and the eight services.

Everything is a child process that dies with the plant, even when the plant is killed. What crashes
is started again, and said so. The data directory belongs to one plant at a time.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from shared.errors import Misconfigured
from shared.jetstream import USERS, connect, ensure, server_config
from shared.local.environment import PROVIDERS, SERVICES, Environment, chosen_keys
from shared.local.layout import Address, Layout
from shared.local.nats_server import nats_server
from shared.local.ownership import owned
from shared.local.ports import free_ports
from shared.local.postgres import postgres
from shared.local.processes import Command
from shared.local.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from shared.domain.values import Provider
    from shared.local.supervisor import Notify

STARTS_WITHIN = 60.0
LOOKS_EVERY = 0.05
STAGES = SERVICES[:6]
DRAIN_ORDER = (STAGES, ("gateway", "projector"), ("simulator",), ("postgres",), ("nats-server",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What kind of plant to run. `port` 0 takes a free one for the gateway.

    `settings` are further GALLEY_ variables for every service; `simulator` further arguments of the
    simulator; `sync` is nats-server's sync_interval ("always": nothing acknowledged is ever lost);
    `ack_wait` the seconds after which a silent stage worker counts as dead.
    `modules` names what `python -m` runs in place of a service's own package.
    """

    data: Path
    port: int = 0
    simulated: frozenset[Provider] = frozenset(PROVIDERS)
    settings: Mapping[str, str] = field(default_factory=dict)
    simulator: tuple[str, ...] = ()
    services: tuple[str, ...] = SERVICES
    modules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sync: str = "always"
    ack_wait: float = ACK_WAIT_S
    drain: float = 25.0


class Plant:
    """A running plant."""

    def __init__(self, plan: Plan, supervisor: Supervisor, address: Address) -> None:
        self.plan = plan
        self.address = address
        self._supervisor = supervisor

    def pids(self) -> dict[str, int]:
        """Who runs now, under which pid."""
        return self._supervisor.pids()

    async def restart(self, service: str) -> None:
        """Drain one service and start it again."""
        await self._supervisor.restart(service)

    async def drain(self) -> None:
        """End everything in order: stages first, the log last."""
        await self._supervisor.drain(DRAIN_ORDER, grace=self.plan.drain + 5)

    def kill(self) -> None:
        """End everything now; the log on disk is whole all the same."""
        self._supervisor.kill()


@asynccontextmanager
async def running_plant(
    plan: Plan, notify: Notify, say: Callable[[str], None]
) -> AsyncIterator[Plant]:
    """Start everything, in order, and yield when the gateway answers; drain at the end.

    `say` is told each step of the start. Raises `Misconfigured` with the reason when something
    cannot be started.
    """
    layout = Layout(plan.data.resolve())
    async with AsyncExitStack() as stack:
        stack.enter_context(owned(layout.root))
        supervisor = await stack.enter_async_context(Supervisor(notify, grace=plan.drain + 5))
        plant = await _start(plan, layout, supervisor, say)
        stack.push_async_callback(plant.drain)
        stack.callback(layout.address.unlink, missing_ok=True)
        yield plant


async def _start(
    plan: Plan, layout: Layout, supervisor: Supervisor, say: Callable[[str], None]
) -> Plant:
    keys = chosen_keys(plan.simulated, os.environ)
    sim_port, gateway_port, *health = free_ports(2 + len(SERVICES))
    gateway_port = plan.port or gateway_port
    ports = dict(zip(SERVICES, health, strict=True)) | {"gateway": gateway_port}
    passwords = layout.passwords(USERS)
    say("starting nats-server and Postgres")
    nats_url, dsn = await asyncio.gather(
        _nats(plan, layout, supervisor, passwords), _rows(layout, supervisor)
    )
    say("creating the stream, the consumers and the tables")
    await _topology(nats_url, passwords, plan.ack_wait)
    environment = Environment(
        nats=nats_url,
        passwords=passwords,
        dsn=dsn,
        simulator=f"http://127.0.0.1:{sim_port}",
        keys=keys,
        extra={**plan.settings, "GALLEY_ACK_WAIT_S": str(plan.ack_wait)},
    )
    await _migrate(layout, environment)
    if plan.simulated:
        await supervisor.start(_simulator(layout, sim_port, plan.simulator))
    say("starting " + ", ".join(plan.services))
    for service in plan.services:
        told = environment.of(service, ports[service])
        await supervisor.start(_service(plan, layout, service, told))
    address = Address(
        gateway=f"http://127.0.0.1:{gateway_port}",
        simulator=f"http://127.0.0.1:{sim_port}" if plan.simulated else "",
        simulated=environment.simulated,
        pid=os.getpid(),
        pids=supervisor.pids(),
    )
    await _all_ready({name: ports[name] for name in plan.services}, supervisor, layout)
    address.write(layout)
    return Plant(plan, supervisor, address)


async def _nats(
    plan: Plan, layout: Layout, supervisor: Supervisor, passwords: Mapping[str, str]
) -> str:
    server = nats_server(server_config(passwords, sync_interval=plan.sync), layout.nats)
    await supervisor.start(server.command)
    await server.ready()
    return server.url


async def _rows(layout: Layout, supervisor: Supervisor) -> str:
    server = await postgres(layout.postgres)
    await supervisor.start(server.command)
    await server.ready()
    return server.dsn


async def _topology(nats_url: str, passwords: Mapping[str, str], ack_wait: float) -> None:
    async with connect(nats_url, "admin", passwords["admin"], "topology") as admin:
        await ensure(admin, ack_wait=ack_wait)


async def _migrate(layout: Layout, environment: Environment) -> None:
    """The projector's own code brings the tables up to date, in a process that then ends."""
    process = await asyncio.create_subprocess_exec(
        *_python("services.projector", "--migrate"),
        env=environment.of("projector", 0),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    if process.returncode:
        layout.logs.mkdir(parents=True, exist_ok=True)
        (layout.logs / "migrate.log").write_bytes(told)
        last = told.decode(errors="replace").strip().splitlines()[-1:]
        raise Misconfigured(f"the tables could not be created: {''.join(last)}")


def _simulator(layout: Layout, port: int, arguments: tuple[str, ...]) -> Command:
    return Command(
        name="simulator",
        argv=_python("shared.local.simulator", "--port", str(port), *arguments),
        env={"PATH": os.environ.get("PATH", ""), "PYTHONUNBUFFERED": "1"},
        log=layout.logs / "simulator.log",
    )


def _service(
    plan: Plan, layout: Layout, service: str, environment: Mapping[str, str]
) -> Command:
    return Command(
        name=service,
        argv=_python(*plan.modules.get(service, (f"services.{service}",))),
        env=environment,
        log=layout.logs / f"{service}.log",
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


async def _all_ready(ports: Mapping[str, int], supervisor: Supervisor, layout: Layout) -> None:
    """Until every service says it is ready; else name those that do not, and their logs."""
    waiting = dict(ports)
    try:
        async with asyncio.timeout(STARTS_WITHIN), httpx.AsyncClient(timeout=2.0) as http:
            while waiting:
                for name, port in list(waiting.items()):
                    if await _ready(http, port):
                        del waiting[name]
                await asyncio.sleep(LOOKS_EVERY)
    except TimeoutError:
        alive = supervisor.pids()
        told = ", ".join(
            f"{name} ({'not ready' if name in alive else 'not running'}, see "
            f"{layout.logs / name}.log)"
            for name in waiting
        )
        raise Misconfigured(f"these services did not become ready: {told}") from None


async def _ready(http: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
