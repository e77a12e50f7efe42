"""`galley up` and `galley demo`: the plant for people, who are told what happens and what to do."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

from shared.cli.follow import follow_post
from shared.cli.posts import write_zip
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.jetstream import connect, ensure
from shared.local.concerned import concerned, watched
from shared.local.environment import PROVIDERS
from shared.local.plant import Plan, Plant, running_plant
from shared.settings import Nats, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from rich.console import Console

    from shared.domain.values import Provider
    from shared.local.supervisor import Notice

LIFELIKE = ("--first-token", "0.6", "--per-chunk", "0.01")
"""A pace one can watch: some fifteen seconds for a whole article."""


def plan(data: Path, *, port: int, live: bool, simulate: Iterable[str], instant: bool) -> Plan:
    """What to run. Raises `Misconfigured` for a provider that does not exist."""
    return Plan(
        data=data,
        port=port,
        simulated=_simulated(live=live, asked=frozenset(simulate)),
        simulator=() if instant else LIFELIKE,
    )


def _simulated(*, live: bool, asked: frozenset[str]) -> frozenset[Provider]:
    unknown = asked - set(PROVIDERS)
    if unknown:
        message = f"{', '.join(sorted(unknown))} cannot be simulated; there are"
        raise Misconfigured(f"{message} {', '.join(PROVIDERS)}")
    if not live:
        return frozenset(PROVIDERS)
    return frozenset(provider for provider in PROVIDERS if provider in asked)


async def up(console: Console, plan: Plan, *, reload: bool) -> None:
    """Stay up until told to stop; with `reload`, follow the code as it changes."""
    async with _shown(console, plan) as (plant, stopping):
        console.print("Press Ctrl-C to stop.")
        if not reload:
            await stopping.wait()
            return
        console.print("Watching the code: the services concerned restart when it changes.")
        await _reloading(console, plant, stopping)


async def demo(console: Console, plan: Plan, topic: str, *, leave: bool) -> None:
    """One topic, from nothing to a ZIP; the plant stays up afterwards unless told to leave."""
    async with _shown(console, plan) as (plant, stopping):
        working = asyncio.create_task(_article(console, plant, topic))
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            return
        working.result()
        if not leave:
            console.print(f"The desk stays open at {plant.address.gateway}/ (Ctrl-C stops it).")
            await stopped


async def _article(console: Console, plant: Plant, topic: str) -> None:
    async with Gateway(plant.address.gateway) as gateway:
        made = await gateway.create(topic)
        console.print(f"Post {made['id']}: {made['slug']}")
        ended = await follow_post(console, gateway, made["id"])
        if ended != "pipeline_complete":
            post = await gateway.post(made["id"])
            raise Misconfigured(f"the article was not finished: {post['current_stage']}")
        path = await write_zip(gateway, made["id"])
    console.print(f"The article, as Markdown and HTML, and its images: {path.resolve()}")


@asynccontextmanager
async def _shown(console: Console, plan: Plan) -> AsyncIterator[tuple[Plant, asyncio.Event]]:
    """A plant whose every step is told. The first signal drains it, the second kills it."""
    stopping = asyncio.Event()
    kill: list[Plant] = []

    def told_to_stop() -> None:
        if stopping.is_set() and kill:
            console.print("Stopping now.")
            kill[0].kill()
        stopping.set()

    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, told_to_stop)
    notify = _Narrator(console, stopping)
    if plan.simulated:
        names = ", ".join(sorted(plan.simulated))
        console.print(
            f"SIMULATED: {names} are answered by the simulator. Nothing is paid.",
            style="bold yellow",
        )
    async with running_plant(plan, notify, lambda step: console.print(f"  {step}")) as plant:
        kill.append(plant)
        console.print(f"Galley is up at {plant.address.gateway}/", style="bold green")
        yield plant, stopping
        stopping.set()
        console.print("Draining: running stages finish or are handed back.")


class _Narrator:
    """Says what happens to the services: crashes always, endings only while draining."""

    def __init__(self, console: Console, stopping: asyncio.Event) -> None:
        self._console = console
        self._stopping = stopping

    def __call__(self, notice: Notice) -> None:
        match notice.kind:
            case "crashed":
                self._console.print(
                    f"{notice.name} ended by itself (code {notice.code}: {notice.told[:200]}); "
                    f"started again in {notice.again_in:.1f} s",
                    style="red",
                    markup=False,
                )
            case "stopping":
                self._console.print(f"  waiting for {', '.join(notice.waiting_for)}")
            case "killed" if self._stopping.is_set():
                self._console.print(f"  {notice.name} did not end in time and was killed")
            case _:
                return


async def _reloading(console: Console, plant: Plant, stopping: asyncio.Event) -> None:
    async for changes in awatch(*watched(), stop_event=stopping, step=100, debounce=400):
        paths = [Path(path) for _, path in changes]
        services = sorted(concerned(paths, plant.plan.services))
        if services:
            console.print(f"{paths[0].name} changed: restarting {', '.join(services)}")
            await asyncio.gather(*(plant.restart(service) for service in services))


async def topology(console: Console) -> None:
    """Create or update what the log needs on the server that GALLEY_NATS_ variables name."""
    nats = load(Nats)
    password = nats.password.get_secret_value()
    async with connect(nats.url, nats.user, password, "topology") as admin:
        await ensure(admin)
    console.print("The stream, its consumers and the media store are as they should be.")
