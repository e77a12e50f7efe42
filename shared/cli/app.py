"""The commands of `galley`, and how every error reaches the person: one sentence, never a
traceback."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

from shared.cli import doctor, plant, posts
from shared.errors import GalleyError, Misconfigured
from shared.local.environment import SERVICES
from shared.local.layout import DEFAULT, Address, Layout

if TYPE_CHECKING:
    from collections.abc import Coroutine

app = typer.Typer(
    name="galley",
    help="Turns a topic into a publishable, illustrated article.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

INTERRUPTED = 130

Data = Annotated[Path, typer.Option("--data", help="The plant's data directory.")]
Url = Annotated[
    str, typer.Option("--url", envvar="GALLEY_URL", help="The gateway; else the plant on --data.")
]
PostId = Annotated[str, typer.Argument(metavar="POST", help="The post's id.")]
Gates = Annotated[
    list[str] | None,
    typer.Option("--gate", metavar="STAGE=MODE", help="auto, review or approve_only; repeatable."),
]
Live = Annotated[bool, typer.Option("--live", help="Ask the real providers, with your keys.")]
Simulate = Annotated[
    list[str] | None,
    typer.Option("--simulate", metavar="PROVIDER", help="With --live: simulate this one."),
]
Instant = Annotated[
    bool, typer.Option("--instant", help="The simulator answers at once, not at a life-like pace.")
]


@app.command()
def up(
    data: Data = Path(DEFAULT),
    port: Annotated[int, typer.Option(help="The gateway's port; 0 takes a free one.")] = 0,
    live: Live = False,
    simulate: Simulate = None,
    instant: Instant = False,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart the services concerned when code changes.")
    ] = False,
) -> None:
    """Start nats-server, Postgres and all eight services on this machine, and stay up."""
    plan = plant.plan(data, port=port, live=live, simulate=simulate or (), instant=instant)
    _run(plant.up(console, plan, reload=reload))


@app.command()
def demo(
    topic: Annotated[str, typer.Option(help="What the article is about.")] = "How to Train a Puppy",
    data: Data = Path(DEFAULT),
    port: Annotated[int, typer.Option(help="The gateway's port; 0 takes a free one.")] = 0,
    leave: Annotated[bool, typer.Option("--exit", help="Stop when the article is done.")] = False,
    live: Live = False,
    simulate: Simulate = None,
) -> None:
    """Start everything, hand in a topic, watch it become an article, and write the ZIP."""
    plan = plant.plan(data, port=port, live=live, simulate=simulate or (), instant=False)
    _run(plant.demo(console, plan, topic, leave=leave))


@app.command()
def post(
    topic: Annotated[str, typer.Argument(help="What the article is about.")],
    gate: Gates = None,
    words: Annotated[int | None, typer.Option(help="How long the article should be.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Watch it until it rests.")] = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> None:
    """Hand in a topic."""
    gates = posts.gates(gate or ())
    _run(posts.create(console, _gateway(url, data), topic, gates, words=words, follow=follow))


@app.command()
def show(post_id: PostId, url: Url = "", data: Data = Path(DEFAULT)) -> None:
    """Where a post stands, what it has cost, and what it waits for."""
    _run(posts.show(console, _gateway(url, data), post_id))


@app.command()
def logs(
    post_id: PostId,
    level: Annotated[
        list[str] | None, typer.Option(help="info, warning, error; repeatable.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> None:
    """The execution log of a post, oldest first."""
    _run(posts.logs(console, _gateway(url, data), post_id, level or (), stage))


@app.command()
def export(
    post_id: PostId,
    to: Annotated[Path | None, typer.Option("--to", help="The ZIP's name.")] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> None:
    """Write the article, as Markdown and HTML, and its images into a ZIP."""
    _run(posts.export(console, _gateway(url, data), post_id, to))


@app.command()
def run(service: Annotated[str, typer.Argument(help="One of the eight services.")]) -> None:
    """Run one service in this process, set up by GALLEY_ variables (as a container does)."""
    if service not in SERVICES:
        _fail(Misconfigured(f"there is no service {service!r}; there are {', '.join(SERVICES)}"))
    os.execv(sys.executable, [sys.executable, "-m", f"services.{service}"])  # noqa: S606


@app.command()
def topology() -> None:
    """Create or update the stream, the consumers and the media store (GALLEY_NATS_ variables)."""
    _run(plant.topology(console))


@app.command(name="doctor")
def diagnose(url: Url = "", data: Data = Path(DEFAULT)) -> None:
    """What is wrong, and what to do about it."""
    if not asyncio.run(doctor.examine(console, Layout(data), url)):
        raise typer.Exit(1)


def main() -> None:
    """The entry point of the `galley` script."""
    app()


def _gateway(url: str, data: Path) -> str:
    try:
        return url or Address.read(Layout(data)).gateway
    except Misconfigured as error:
        _fail(error)


def _run(command: Coroutine[object, object, None]) -> None:
    try:
        asyncio.run(command)
    except GalleyError as error:
        _fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _fail(error: GalleyError) -> NoReturn:
    errors.print(f"galley: {error}", style="bold red", markup=False, highlight=False)
    raise typer.Exit(1)
