"""`galley batch`: many topics at once, all of them or none, and watched until each rests."""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from shared.cli.follow import MOVES_ON, may_rest
from shared.cli.options import FAILED, GOES_ON, POSTS, AsJson, Data, Key, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import cell, emit, err, grid, one_line, out, say
from shared.cli.watched import COLOURS
from shared.client import Gateway
from shared.errors import GatewayAway, InvalidRequest, Misconfigured
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shared.cli.place import Place
    from shared.client import Event, PostSummary
    from shared.errors import Flaw

app = typer.Typer()


@app.command(rich_help_panel=POSTS)
def batch(
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV or a JSON list of posts; - is the input.")
    ],
    *,
    follow: Annotated[bool, typer.Option("--follow", help="Watch until every post rests.")] = False,
    key: Key = None,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Hand in up to 1,000 topics, all or none; the first row of CSV names the fields."""
    if follow and as_json:
        raise Misconfigured("--follow is for people and --json for programs: say one of them")
    said, place = _read(path), place_of(url, data)
    made = _hand_in(place, said, key, follow=follow, as_json=as_json)
    return finish(made, GOES_ON if follow else "")


def _read(path: str) -> bytes:
    """Raises `Misconfigured` for what cannot be read."""
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error


def media_type(said: bytes) -> str:
    """JSON begins with a bracket, and no table does: its first row names fields."""
    first = said.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    return "application/json" if first in (b"[", b"{") else "text/csv"


async def _hand_in(
    place: Place, said: bytes, key: str | None, *, follow: bool, as_json: bool
) -> int:
    async with Gateway(place.url, place.key) as gateway:
        try:
            made = await gateway.batch_file(said, media_type(said), idempotency_key=key)
        except InvalidRequest as error:
            _tell_flaws(error.flaws)
            raise
        if as_json:
            emit(out(), made)
            return 0
        say(out(), f"{len(made):,} posts are in the press.")
        if not follow:
            say(out(), f"Look at them with: {place.command('queue')}")
            return 0
        rested = await _watched(gateway, made)
    return _sum_up(place, rested)


def _tell_flaws(flaws: Sequence[Flaw]) -> None:
    if not flaws:
        return
    table = grid("Nothing was created. What is wrong:", "Row", "Field", "Problem", right={"Row"})
    for flaw in flaws:
        table.add_row(cell(flaw.row or None), cell(flaw.field), cell(flaw.problem))
    err().print(table)


async def _watched(gateway: Gateway, made: Sequence[PostSummary]) -> list[PostSummary]:
    """Every post as it came to rest, each told in a line."""
    rested = [post for post in made if post["waits_for"] not in MOVES_ON]
    moving = {post["id"] for post in made} - {post["id"] for post in rested}
    if not moving:
        return rested
    first = min(post["seq"] for post in made)
    async with aclosing(gateway.follow_all(str(first))) as events:
        async for event in events:
            for post in await _at_rest(gateway, _concerned(event, moving)):
                moving.discard(post["id"])
                rested.append(post)
                _tell(post, len(rested), len(made))
            if not moving:
                return rested
    raise GatewayAway(gateway.url)


def _concerned(event: Event, moving: Collection[str]) -> list[str]:
    """Which of the posts this event may have brought to rest."""
    if event.name == "reset":
        return sorted(moving)
    named = str(event.data.get("post_id"))
    return [named] if named in moving and may_rest(event) else []


async def _at_rest(gateway: Gateway, posts: Sequence[str]) -> list[PostSummary]:
    found = [await gateway.post(post) for post in posts]
    return [post for post in found if post["waits_for"] not in MOVES_ON]


def _tell(post: PostSummary, done: int, total: int) -> None:
    stands = _stands(post)
    line = Text(f"{done:>{len(str(total))}}/{total} ", style="dim")
    line += Text(f"{stands:<9} ", style=COLOURS.get(stands, "bold"))
    say(out(), line + Text(f"{post['id']}  ", style="dim") + Text(one_line(post["topic"])))


def _stands(post: PostSummary) -> str:
    return "review" if post["waits_for"] == "person" else post["current_stage"]


def _sum_up(place: Place, rested: Sequence[PostSummary]) -> int:
    counts = Counter(_stands(post) for post in rested)
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    say(out(), f"All of them rest: {told}.", "bold")
    if counts["failed"]:
        say(out(), f"What failed, and why: {place.command('queue')}")
    return FAILED if counts["failed"] else 0
