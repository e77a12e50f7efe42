"""A whole Galley on one machine: nats-server, Postgres, the simulator and the eight services.

Everything is a child process that dies with the plant, even when the plant is killed. What crashes
is started again, and said so. The data directory belongs to one plant at a time.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shared.errors import Misconfigured
from shared.jetstream import USERS, connect, ensure, server_config
from shared.jetstream.topology import ACK_WAIT_S
from shared.local.environment import PROVIDERS, SERVICES, Environment, chosen_keys, inherited
from shared.local.forking import PYTHON, forking, zygote_command
from shared.local.layout import Address, Layout
from shared.local.nats_server import nats_server
from shared.local.ownership import owned
from shared.local.ports import LOOPBACK, free_ports
from shared.local.postgres import postgres
from shared.local.processes import Command, Launch, execute, spawn
from shared.local.starting import NotStarted, Starting, all_ready, plainly
from shared.local.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping
    from pathlib import Path

    from shared.domain.values import Provider
    from shared.local.supervisor import Notify

STAGES = SERVICES[:6]
SIMULATOR = "simulator"
DRAIN_ORDER = (STAGES, ("gateway", "projector"), (SIMULATOR,), ("postgres",), ("nats-server",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What kind of plant to run. `port` 0 takes a free one for the gateway.

    `settings` are further GALLEY_ variables for every service; `simulator` further arguments of the
    simulator; `sync` is nats-server's sync_interval ("always": nothing acknowledged is ever lost);
    `ack_wait` the seconds after which a silent stage worker counts as dead.
    `modules` names what `python -m` runs in place of a service's own package. `forks`: services
    start from a process that has imported their packages, if this system can do it.
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
    forks: bool = True


class Plant:
    """A running plant."""

    def __init__(self, plan: Plan, supervisor: Supervisor, address: Address) -> None:
        self.plan = plan
        self.address = address
        self._supervisor = supervisor

    def pids(self) -> dict[str, int]:
        """Who runs now, under which pid."""
        return self._supervisor.pids()

    @property
    def reloadable(self) -> tuple[str, ...]:
        """Everything that runs our code, and can be started again by itself."""
        return (*self.plan.services, SIMULATOR) if self.plan.simulated else self.plan.services

    async def restart(self, service: str) -> None:
        """Drain one service and start it again."""
        await self._supervisor.restart(service)

    async def ready(self, names: Collection[str]) -> None:
        """Until each of these services says that it can work. Raises `NotStarted`."""
        asked = {name: port for name, port in self.address.health.items() if name in names}
        await all_ready(asked, Layout(self.plan.data.resolve()))

    def tell_address(self) -> None:
        """Let other processes find this plant, with the processes it consists of now."""
        replace(self.address, pids=self.pids()).write(Layout(self.plan.data.resolve()))

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

    `say` is told each step of the start. Raises `Misconfigured` for a wrong setting, and
    `NotStarted` for a part that does not start, each with the reason.
    """
    layout = Layout(plan.data.resolve())
    async with AsyncExitStack() as stack:
        _own(stack, layout)
        layout.address.unlink(missing_ok=True)
        starting = Starting(notify, layout)
        launching = _launching(plan, layout, starting)
        launch = await starting.outcome(stack.enter_async_context(launching))
        supervisor = await stack.enter_async_context(
            Supervisor(starting, grace=plan.drain + 5, launch=launch)
        )
        plant = await starting.outcome(_start(plan, layout, supervisor, launch, say))
        stack.push_async_callback(plant.drain)
        stack.callback(layout.address.unlink, missing_ok=True)
        starting.whenever_started(plant.tell_address)
        yield plant


@asynccontextmanager
async def _launching(plan: Plan, layout: Layout, notify: Notify) -> AsyncIterator[Launch]:
    if not plan.forks or sys.platform != "linux":
        yield execute
        return
    zygote = zygote_command(_common(), layout.log_of("zygote"))
    async with forking(zygote, notify) as forker:
        yield forker.launch


def _common() -> dict[str, str]:
    """What every process of our code is told."""
    return {**inherited(os.environ), "PYTHONUNBUFFERED": "1"}


def _own(stack: AsyncExitStack, layout: Layout) -> None:
    """Raises `Misconfigured` that says where the plant answers which owns the directory now."""
    try:
        stack.enter_context(owned(layout.root))
    except Misconfigured:
        there = Address.running(layout)
        if there is None:
            raise
        message = (
            f"Galley is already up on {layout.root}, at {there.gateway}/ (process {there.pid})"
        )
        raise Misconfigured(f"{message}: use that one, or choose another --data") from None


async def _start(
    plan: Plan,
    layout: Layout,
    supervisor: Supervisor,
    launch: Launch,
    say: Callable[[str], None],
) -> Plant:
    keys = chosen_keys(plan.simulated, os.environ)
    check_free(plan.port)
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
        first_key=layout.first_key(),
        extra={**plan.settings, "GALLEY_ACK_WAIT_S": str(plan.ack_wait)},
    )
    await _migrate(layout, environment, launch)
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
        health={name: ports[name] for name in plan.services},
        nats=nats_url,
    )
    await all_ready(address.health, layout)
    plant = Plant(plan, supervisor, address)
    plant.tell_address()
    return plant


def check_free(port: int) -> None:
    """Raises `Misconfigured` when `port` cannot be listened on; 0 stands for any free one."""
    try:
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((LOOPBACK, port))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"port {port} cannot be used ({reason}): choose another with --port"
        raise Misconfigured(f"{message}, or leave it out to get a free one") from None


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


async def _migrate(layout: Layout, environment: Environment, launch: Launch) -> None:
    """The projector's own code brings the tables up to date, in a process that then ends."""
    command = Command(
        name="migrate",
        argv=_python("services.projector", "--migrate"),
        env=environment.of("projector", 0),
        log=layout.log_of("migrate"),
    )
    child = await spawn(command, launch)
    try:
        code = await child.wait()
    finally:
        child.kill()
    if code:
        message = f"the tables cannot be brought up to date: {plainly(child.last_words())}"
        raise NotStarted(f"{message} (see {command.log})")


def _simulator(layout: Layout, port: int, arguments: tuple[str, ...]) -> Command:
    return Command(
        name=SIMULATOR,
        argv=_python("shared.local.simulator", "--port", str(port), *arguments),
        env=_common(),
        log=layout.log_of(SIMULATOR),
    )


def _service(plan: Plan, layout: Layout, service: str, environment: Mapping[str, str]) -> Command:
    return Command(
        name=service,
        argv=_python(*plan.modules.get(service, (f"services.{service}",))),
        env=environment,
        log=layout.log_of(service),
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (*PYTHON, module, *arguments)
