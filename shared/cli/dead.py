"""`galley dead`: what failed for good, until somebody tries it again or gives it up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.control import actor, tell
from shared.cli.options import AsJson, Data, PostId, Url, finish
from shared.cli.place import place_of
from shared.cli.queue import dead_letters, first, show_parts
from shared.cli.terminal import emit, out, say
from shared.client import Gateway
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from shared.cli.place import Place

app = typer.Typer(no_args_is_help=True)


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
    note: Annotated[str, typer.Option("--note", help="Why; kept in the log.")] = "",
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Give it up: the post stands cancelled, and `galley retry` can still take it up again."""
    return finish(_discard(place_of(url, data), post_id, note))


async def _listed(place: Place, *, as_json: bool) -> None:
    async with Gateway(place.url) as gateway:
        if as_json:
            emit(out(), [each async for each in gateway.dead_letters()])
            return
        letters = await first(gateway.dead_letters())
    show_parts(dead_letters(letters, place))


async def _retry(place: Place, post_id: str) -> None:
    async with Gateway(place.url) as gateway:
        await gateway.retry_dead(post_id, actor=actor())
        tell(out(), place, await gateway.post(post_id))


async def _discard(place: Place, post_id: str, note: str) -> None:
    async with Gateway(place.url) as gateway:
        await gateway.discard_dead(post_id, note=note, actor=actor())
    say(out(), f"Given up. To take it up all the same: {place.command('retry', post_id)}")
