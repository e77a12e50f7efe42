"""`galley up` and `galley demo`: the plant for people, who are told what happens and what to do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from shared.cli.follow import follow_post
from shared.cli.narrator import Narrator
from shared.cli.place import plant_at
from shared.cli.posts import COMPLETE, write_zip
from shared.cli.reloading import reloading
from shared.cli.signals import signals
from shared.cli.summary import summarize
from shared.cli.terminal import say
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.jetstream import connect, ensure
from shared.local.environment import PROVIDERS
from shared.local.layout import Layout
from shared.local.plant import Plan, Plant, running_plant
from shared.settings import Nats, Process, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from rich.console import Console

    from shared.cli.place import Place
    from shared.cli.signals import Signals
    from shared.domain.values import Provider

LIFELIKE = ("--first-token", "0.6", "--per-chunk", "0.01")
"""A pace one can watch: some twenty seconds for a whole article."""
INTERRUPTED = 130


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


async def up(console: Console, plan: Plan, *, reload: bool) -> int:
    """Stay up until told to stop; with `reload`, follow the code as it changes."""
    async with _shown(console, plan) as (plant, told):
        place = plant_at(Layout(plan.data), plant.address.gateway)
        say(console, f"Hand in a topic with: {place.command('post', 'TOPIC', '--follow')}")
        say(console, "Ctrl-C stops it.")
        if reload:
            await reloading(console, plant, told.stopping)
        else:
            await told.stopping.wait()
    return INTERRUPTED if told.twice else 0


async def demo(console: Console, plan: Plan, topic: str, *, leave: bool) -> int:
    """One topic, from nothing to a ZIP; the plant stays up afterwards unless told to leave."""
    async with _shown(console, plan) as (plant, told):
        working = asyncio.create_task(_article(console, plant, topic))
        stopped = asyncio.create_task(told.stopping.wait())
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working
            return INTERRUPTED
        code = working.result()
        if not leave:
            say(console, f"Galley stays up at {plant.address.gateway}/ (Ctrl-C stops it).")
            await stopped
    return INTERRUPTED if told.twice else code


async def _article(console: Console, plant: Plant, topic: str) -> int:
    """From a topic to a ZIP: 0 when there is one, 1 when the article was not finished."""
    place = plant_at(Layout(plant.plan.data), plant.address.gateway)
    async with Gateway(place.url, place.key) as gateway:
        made = await gateway.create(topic)
        say(console, f"Post {made['id']}, as {made['slug']}")
        post = await follow_post(console, gateway, made["id"])
        summarize(console, post, place)
        if post["current_stage"] != COMPLETE:
            return 1
        path = await write_zip(gateway, made["id"])
    _banner(console, plant.plan)
    say(console, f"The article, as Markdown and HTML, and its images: {path.resolve()}", "green")
    return 0


@asynccontextmanager
async def _shown(console: Console, plan: Plan) -> AsyncIterator[tuple[Plant, Signals]]:
    """A plant whose every step is told, and drained in front of everybody."""
    narrator = Narrator(console)
    with signals() as told:
        try:
            async with running_plant(
                plan, narrator, lambda step: say(console, f"  {step}")
            ) as plant:
                told.up(plant.kill)
                say(console, f"Galley is up at {plant.address.gateway}/", "bold green")
                await enter(console, plant_at(Layout(plan.data), plant.address.gateway))
                _banner(console, plan)
                yield plant, told
                told.stopping.set()
                narrator.drain()
        finally:
            narrator.done()
    say(console, "Stopped at once; the log is whole." if told.twice else "Stopped.")


async def enter(console: Console, place: Place) -> None:
    """Print a link for a browser."""
    async with Gateway(place.url, place.key) as gateway:
        link = await gateway.link()
    say(console, "For your browser, once and within 15 minutes:")
    console.out(f"  {place.url}{link['path']}", highlight=False)


def _banner(console: Console, plan: Plan) -> None:
    """Who answers: nobody shall take what a simulator wrote for the work of a model."""
    if plan.simulated:
        names = ", ".join(sorted(plan.simulated))
        say(
            console,
            f"SIMULATED: {names}. Nothing of it is real, and nothing is paid.",
            "bold yellow",
        )
    if real := [provider for provider in PROVIDERS if provider not in plan.simulated]:
        say(console, f"LIVE: {', '.join(real)}. Every call is paid with your key.", "bold red")


async def topology(console: Console) -> None:
    """Create or update what the log needs on the server that GALLEY_NATS_ variables name."""
    nats = load(Nats)
    password = nats.password.get_secret_value()
    async with connect(nats.url, nats.user, password, "topology") as admin:
        await ensure(admin, ack_wait=load(Process).ack_wait_s)
    say(console, "The stream, its consumers and the media store are as they should be.")
