"""`galley dead`: what failed for good, until somebody tries it again or gives it up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.control import tell
from shared.cli.options import FAILED, AsJson, Data, PostId, Url, Yes, finish
from shared.cli.place import place_of
from shared.cli.queue import dead_letters, first, show_parts
from shared.cli.terminal import emit, out, say
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from shared.cli.place import Place
    from shared.client.reports import Tally

app = typer.Typer(no_args_is_help=True)

Note = Annotated[str, typer.Option("--note", help="Why; kept in the log.")]


@app.command(name="list")
def listed(*, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """What failed for good and was not given up, the newest first."""
    return finish(_listed(place_of(url, data), as_json=as_json))


@app.command()
def retry(post_id: PostId, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Go on where it failed; what was paid for is not paid again."""
    return finish(_retry(place_of(url, data), post_id))


@app.command()
def discard(
    post_id: PostId,
    note: Note = "",
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Give it up: the post stands cancelled, and `galley retry` can still take it up again."""
    return finish(_discard(place_of(url, data), post_id, note))


@app.command()
def clear(note: Note = "", *, yes: Yes = False, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Give up everything that is in there now; the command fails if some of it stayed."""
    place = place_of(url, data)
    if not yes and not _agreed():
        say(out(), "Nothing was given up.")
        return FAILED
    return finish(_clear(place, note))


def _agreed() -> bool:
    """Asked outside of any loop: Ctrl-C answers."""
    if not sys.stdin.isatty():
        raise Misconfigured("nobody can be asked here: say --yes to give up all of it")
    return typer.confirm("Give up everything in the dead letter?")


async def _listed(place: Place, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        if as_json:
            emit(out(), [each async for each in gateway.dead_letters()])
            return
        letters = await first(gateway.dead_letters())
    show_parts(dead_letters(letters, place))


async def _retry(place: Place, post_id: str) -> None:
    async with Gateway(place.url, place.key) as gateway:
        await gateway.retry_dead(post_id)
        tell(out(), place, await gateway.post(post_id))


async def _discard(place: Place, post_id: str, note: str) -> None:
    async with Gateway(place.url, place.key) as gateway:
        await gateway.discard_dead(post_id, note=note)
    say(out(), f"Given up. To take it up all the same: {place.command('retry', post_id)}")


async def _clear(place: Place, note: str) -> int | None:
    async with Gateway(place.url, place.key) as gateway:
        tally = await gateway.discard_all_dead(note=note)
    if not tally["failed"]:
        say(out(), f"Given up: {tally['count']}.")
        return None
    _name(tally)
    return FAILED


def _name(tally: Tally) -> None:
    """What is in there still, and why: as many as the gateway names."""
    stayed, named = tally["failed"], tally["failures"]
    kept = f"Not given up: {stayed}; the same command tries again."
    say(out(), f"Given up: {tally['count']}. {kept}", "yellow")
    for each in named:
        say(out(), f"{each['post_id']}: {each['why']}")
    if stayed > len(named):
        say(out(), f"and {stayed - len(named)} more")
