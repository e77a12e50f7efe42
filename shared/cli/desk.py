"""Commands that hand in a topic, look at posts and take their articles away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.cli import posts
from shared.cli.fields import ORDERED, fields
from shared.cli.options import (
    GOES_ON,
    POSTS,
    AsJson,
    Data,
    Fields,
    Gates,
    Key,
    PostId,
    Url,
    finish,
)
from shared.cli.place import place_of
from shared.cli.terminal import out
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT

app = typer.Typer()


@app.command(rich_help_panel=POSTS)
def post(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="What the article is about.")],
    more: Fields = None,
    gate: Gates = None,
    words: Annotated[int | None, typer.Option(help="How long the article should be.")] = None,
    profile: Annotated[
        str | None,
        typer.Option("--profile", help="The name of a profile: what is not said here, it says."),
    ] = None,
    key: Key = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Watch it until it is done, failed or waits for you.")
    ] = False,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Hand in a topic."""
    said = fields(more or (), ORDERED)
    if words is not None:
        said["word_count"] = words
    if gate:
        said["stage_settings"] = posts.gates(gate)
    if follow and as_json:
        raise Misconfigured("--follow is for people and --json for programs: say one of them")
    order = posts.Order(posts.topic_of(topic), said, profile, key)
    place = place_of(url, data)
    made = posts.create(out(), place, order, follow=follow, as_json=as_json)
    return finish(made, GOES_ON if follow else "")


@app.command(rich_help_panel=POSTS, name="list")
def listed(
    status: Annotated[
        str | None, typer.Option(help="Only these: running, review, failed, complete ...")
    ] = None,
    search: Annotated[str | None, typer.Option(help="Words of the topic or the slug.")] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Not just the newest, and the oldest first.")
    ] = False,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """The newest posts, and where each of them stands."""
    asked = posts.Asked(status=status, search=search, everything=everything)
    return finish(posts.listed(out(), place_of(url, data), asked, as_json=as_json))


@app.command(rich_help_panel=POSTS)
def show(
    post_id: PostId, *, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)
) -> int:
    """Where a post stands, what it has cost, and what to do next."""
    return finish(posts.show(out(), place_of(url, data), post_id, as_json=as_json))


@app.command(rich_help_panel=POSTS)
def logs(
    post_id: PostId,
    level: Annotated[
        list[str] | None, typer.Option(help="info, warning or error; repeatable.")
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage.")] = None,
    *,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """What happened to a post, line by line, oldest first."""
    place = place_of(url, data)
    return finish(posts.logs(out(), place, post_id, level or (), stage, as_json=as_json))


@app.command(rich_help_panel=POSTS)
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
