"""The commands of `galley`, and how every error reaches the person: one sentence, never a
traceback.

Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong setting, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared import logs as logging_setup
from shared.cli import doctor, plant, posts, steering
from shared.cli.options import DONE, FAILED, USAGE, Data, PostId, Url, finish
from shared.cli.place import place_of
from shared.cli.plant import INTERRUPTED
from shared.cli.terminal import err, out, say
from shared.errors import GalleyError, Misconfigured
from shared.local.environment import PROVIDERS, SERVICES
from shared.local.layout import DEFAULT, Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    name="galley",
    help="Turns a topic into a publishable, illustrated article.\n\nBegin with `galley demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)

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


@app.command()
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


@app.command()
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


@app.command()
def post(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="What the article is about.")],
    gate: Annotated[
        list[str] | None,
        typer.Option(
            "--gate",
            metavar="STAGE=MODE",
            help="Wait for a person after this stage: review or approve_only; repeatable.",
        ),
    ] = None,
    words: Annotated[int | None, typer.Option(help="How long the article should be.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Watch it until it is done, failed or waits for you.")
    ] = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Hand in a topic."""
    gates, line = posts.gates(gate or ()), posts.topic_of(topic)
    place = place_of(url, data)
    return finish(posts.create(out(), place, line, gates, words=words, follow=follow))


@app.command(name="list")
def listed(
    status: Annotated[
        str | None, typer.Option(help="Only these: running, review, failed, complete ...")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Words of the topic or the slug.")] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """The newest posts, and where each of them stands."""
    return finish(posts.listed(out(), place_of(url, data), status, search))


@app.command()
def show(post_id: PostId, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Where a post stands, what it has cost, and what to do next."""
    return finish(posts.show(out(), place_of(url, data), post_id))


@app.command()
def logs(
    post_id: PostId,
    level: Annotated[
        list[str] | None, typer.Option(help="info, warning or error; repeatable.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """What happened to a post, line by line, oldest first."""
    return finish(posts.logs(out(), place_of(url, data), post_id, level or (), stage))


@app.command()
def export(
    post_id: PostId,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="PATH", help="A file, or a folder to put it in.")
    ] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Write the article (Markdown and HTML) and its images into a ZIP."""
    return finish(posts.export(out(), place_of(url, data), post_id, to))


@app.command(name="doctor")
def diagnose(url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """What is wrong on this machine, and what to do about it."""
    return finish(doctor.examine(out(), Layout(data), url))


@app.command()
def run(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(SERVICES))],
) -> int:
    """Become one service, set up by GALLEY_ variables, as a container does."""
    if service not in SERVICES:
        raise Misconfigured(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
    command = [sys.executable, "-P", "-m", f"services.{service}"]
    os.execv(command[0], command)  # noqa: S606  (no shell: that is the point)


@app.command()
def topology() -> int:
    """Create or update what the log needs on the NATS server that GALLEY_NATS_ variables name."""
    return finish(plant.topology(out()))


app.add_typer(steering.app)


def main() -> None:
    """The entry point of the `galley` script."""
    logging_setup.configure("galley", "console", level=logging.WARNING)
    sys.exit(outcome(sys.argv[1:]))


def outcome(arguments: Sequence[str]) -> int:
    """Carry out a command line; its exit code."""
    complain = partial(say, err(), style="bold red")
    try:
        return app(list(arguments), standalone_mode=False) or DONE
    except typer.TyperException as error:
        return _misused(error, arguments)
    except Misconfigured as error:
        complain(f"galley: {error}")
        return USAGE
    except GalleyError as error:
        complain(f"galley: {error}")
        return FAILED
    except (asyncio.CancelledError, KeyboardInterrupt, typer.Abort):
        complain("galley: interrupted")
        return INTERRUPTED


def _misused(error: typer.TyperException, arguments: Sequence[str]) -> int:
    """Wrong usage as one sentence; no arguments at all have been answered with the help."""
    if arguments:
        sentence = error.format_message().rstrip(".").replace("\n", " ")
        say(err(), f"galley: {sentence}; see galley --help", "bold red")
    return error.exit_code
