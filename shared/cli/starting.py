"""Commands that start everything on this machine, and say what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.cli import doctor, plant, posts
from shared.cli.options import BEGIN, Data, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import out
from shared.local.environment import PROVIDERS
from shared.local.layout import DEFAULT, Layout

app = typer.Typer()

Port = Annotated[
    int,
    typer.Option("--port", min=0, max=65_535, help="The gateway's port; 0 takes a free one."),
]
Live = Annotated[
    bool, typer.Option("--live", help="Ask the real providers. Their keys pay for every call.")
]
Simulate = Annotated[
    list[str] | None,
    typer.Option(
        "--simulate",
        metavar="PROVIDER",
        help=f"With --live, still simulate this one ({', '.join(PROVIDERS)}); repeatable.",
    ),
]
Instant = Annotated[
    bool, typer.Option("--instant", help="The simulator answers at once, not at a life-like pace.")
]


@app.command(rich_help_panel=BEGIN)
def demo(
    topic: Annotated[
        str, typer.Option(metavar="TOPIC", help="What the article is about.")
    ] = "How to Train a Puppy",
    data: Data = Path(DEFAULT),
    port: Port = 0,
    leave: Annotated[
        bool, typer.Option("--exit", help="Stop when the article is done, instead of staying up.")
    ] = False,
    live: Live = False,
    simulate: Simulate = None,
    instant: Instant = False,
) -> int:
    """Start everything, watch one topic become an article, and write the ZIP."""
    planned = plant.plan(data, port=port, live=live, simulate=simulate or (), instant=instant)
    return finish(plant.demo(out(), planned, posts.topic_of(topic), leave=leave))


@app.command(rich_help_panel=BEGIN)
def up(
    data: Data = Path(DEFAULT),
    port: Port = 0,
    live: Live = False,
    simulate: Simulate = None,
    instant: Instant = False,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart what a change of the code concerns.")
    ] = False,
) -> int:
    """Start nats-server, Postgres and all eight services on this machine, and stay up."""
    planned = plant.plan(data, port=port, live=live, simulate=simulate or (), instant=instant)
    return finish(plant.up(out(), planned, reload=reload))


@app.command(rich_help_panel=BEGIN)
def enter(url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Print a link that lets a browser in, once and within 15 minutes."""
    return finish(plant.enter(out(), place_of(url, data)))


@app.command(rich_help_panel=BEGIN, name="doctor")
def diagnose(url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """What is wrong on this machine, and what to do about it."""
    return finish(doctor.examine(out(), Layout(data), url))
