"""Commands that change what a post is: edit it, copy it, delete it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.control import tell, text_in
from shared.cli.fields import EDITABLE, fields, models, outputs
from shared.cli.options import (
    FAILED,
    POSTS,
    AsJson,
    Data,
    Fields,
    Gates,
    PostId,
    Url,
    Yes,
    finish,
)
from shared.cli.place import place_of
from shared.cli.posts import gates
from shared.cli.terminal import emit, one_line, out, say
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.cli.place import Place
    from shared.client import Post

app = typer.Typer()


@app.command(rich_help_panel=POSTS)
def edit(
    post_id: PostId,
    changes: Fields = None,
    gate: Gates = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            metavar="STAGE=FILE",
            help="Your text in place of what this stage made; repeatable.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="STAGE=MODEL",
            help="What this stage calls from its next run on; without a model, what a new post"
            " would; repeatable.",
        ),
    ] = None,
    *,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Change a post's fields, gates, models or texts; what rests on a new text becomes stale."""
    said = fields(changes or (), EDITABLE)
    said |= {name: text_in(Path(path)) for name, path in outputs(output or ()).items()}
    if gate:
        said["stage_settings"] = gates(gate)
    named = models(model or ())
    if not said and not named:
        raise Misconfigured(f"say what to change: FIELD=VALUE with {', '.join(EDITABLE)}")
    return finish(_edit(place_of(url, data), post_id, said, named, as_json=as_json))


@app.command(rich_help_panel=POSTS)
def duplicate(
    post_id: PostId, *, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)
) -> int:
    """A new post with the same fields and gates, not started."""
    return finish(_duplicate(place_of(url, data), post_id, as_json=as_json))


@app.command(rich_help_panel=POSTS)
def delete(post_id: PostId, *, yes: Yes = False, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Purge a post with its texts, images and log; what it has cost stays on the books."""
    place = place_of(url, data)
    if not yes and not _agreed(place, post_id):
        say(out(), "Nothing was deleted.")
        return FAILED
    return finish(_delete(place, post_id))


async def _edit(
    place: Place,
    post_id: str,
    said: Mapping[str, Any],
    named: Sequence[tuple[str, str]],
    *,
    as_json: bool,
) -> None:
    async with Gateway(place.url, place.key) as gateway:
        called = {"stage_models": await _chosen(gateway, named)} if named else {}
        post = await gateway.change(post_id, **{**said, **called})
    if as_json:
        emit(out(), post)
        return
    tell(out(), place, post)
    if post["stale"]:
        first, names = post["stale"][0], ", ".join(post["stale"])
        again = place.command("rerun", post_id, first, "--cascade")
        say(out(), f"Stale now: {names}. To make it anew: {again}")


async def _chosen(gateway: Gateway, named: Sequence[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Each name where it belongs: the images stage calls a model for words and one for pictures."""
    pictures = {each["stage"]: each["image_models"] for each in await gateway.stage_models()}
    chosen: dict[str, dict[str, str]] = {}
    for stage, name in named:
        of_stage = chosen.setdefault(stage, {})
        if name:
            of_stage["image_model" if name in pictures[stage] else "model"] = name
    return chosen


async def _duplicate(place: Place, post_id: str, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        post = await gateway.duplicate(post_id)
    if as_json:
        emit(out(), post)
        return
    say(out(), f"Post {post['id']} is a copy, as {post['slug']}.")
    say(out(), f"It is not started. To run it: {place.command('retry', post['id'])}")


def _agreed(place: Place, post_id: str) -> bool:
    """Whether the person wants this very post gone. Asked outside of any loop: Ctrl-C answers."""
    if not sys.stdin.isatty():
        raise Misconfigured("nobody can be asked here: say --yes to delete it")
    for line in _doomed(_look(place, post_id)):
        say(out(), line)
    return typer.confirm("Delete it?")


def _look(place: Place, post_id: str) -> Post:
    found: list[Post] = []

    async def look() -> None:
        async with Gateway(place.url, place.key) as gateway:
            found.append(await gateway.post(post_id))

    finish(look())
    return found[0]


def _doomed(post: Mapping[str, Any]) -> list[str]:
    paid = post["ledger"]["settled_usd"]
    return [
        f"{one_line(post['topic'])} ({post['slug']}, {post['current_stage']})",
        "Its texts, images, execution log and rows are purged, for good; work on it is dropped.",
        f"Only a tombstone stays, and what it has cost: ${paid:.4f}.",
    ]


async def _delete(place: Place, post_id: str) -> None:
    async with Gateway(place.url, place.key) as gateway:
        await gateway.delete(post_id)
    say(out(), f"Deleted {post_id}: its texts, images and log are purged, its bill is kept.")
