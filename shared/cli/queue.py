"""`galley queue`: how many posts are where, who waits for whom, and whether anybody works."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from shared.cli.options import PRESS, WATCHED, AsJson, Data, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import cell, emit, grid, one_line, out, say
from shared.cli.watched import COLOURS
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence

    from rich.table import Table

    from shared.cli.place import Place
    from shared.client.answers import PostSummary
    from shared.client.reports import DeadLetter, QueueCounts, WorkerStatus

    type Part = Table | Text

app = typer.Typer()

SHOWN = 20
EVERY_S = 2.0
BUCKETS = (
    "pending",
    "running",
    "review",
    "waiting",
    "paused",
    "failed",
    "complete",
    "cancelled",
)


class Seen(TypedDict):
    """The queue as it was when it was looked at."""

    counts: QueueCounts
    reviews: list[PostSummary]
    dead_letters: list[DeadLetter]
    workers: WorkerStatus


@app.command(rich_help_panel=PRESS)
def queue(
    *,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """How many posts are where, what waits for you, what failed for good, and who works."""
    if watch and as_json:
        raise Misconfigured("--watch is for people and --json for programs: say one of them")
    place = place_of(url, data)
    if watch:
        return finish(_watch(place), WATCHED)
    return finish(_show(place, as_json=as_json))


async def _show(place: Place, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        seen = await look(gateway)
    if as_json:
        emit(out(), seen)
    else:
        show_parts(parts(seen, place))


async def _watch(place: Place) -> None:
    console = out()
    async with Gateway(place.url, place.key) as gateway:
        with Live(console=console, auto_refresh=False) as live:
            while True:
                seen = parts(await look(gateway), place)
                if console.is_terminal:
                    live.update(Group(*seen), refresh=True)
                else:
                    show_parts(seen)
                await asyncio.sleep(EVERY_S)


async def look(gateway: Gateway) -> Seen:
    """Everything at once; the counts first, so that what they say is not newer than the lists."""
    counts = await gateway.queue()
    workers = await gateway.workers()
    reviews = await first(gateway.reviews())
    dead = await first(gateway.dead_letters())
    return Seen(counts=counts, reviews=reviews, dead_letters=dead, workers=workers)


async def first[T](found: AsyncGenerator[T]) -> list[T]:
    """What is shown of a list, and one more if there is more."""
    some: list[T] = []
    async for each in found:
        some.append(each)
        if len(some) > SHOWN:
            break
    await found.aclose()
    return some


def parts(seen: Seen, place: Place) -> Iterator[Part]:
    """The tables; those with nothing in them are one line."""
    yield _counts(seen["counts"])
    yield Text()
    yield from _reviews(seen["reviews"], place)
    yield from dead_letters(seen["dead_letters"], place)
    yield _workers(seen["workers"])


def show_parts(shown: Iterable[Part]) -> None:
    """One after the other: lines stay whole in a pipe."""
    for part in shown:
        if isinstance(part, Text):
            say(out(), part)
        else:
            out().print(part)


def _counts(counts: QueueCounts) -> Table:
    names = [*BUCKETS, "total"]
    table = grid("Posts", *names, right=names)
    values = dict[str, object](counts)
    cells = [cell(values[name]) for name in names]
    for name, each in zip(names, cells, strict=True):
        each.style = COLOURS.get(name, "") if values[name] else "dim"
    table.add_row(*cells)
    return table


def _reviews(posts: Sequence[PostSummary], place: Place) -> Iterator[Part]:
    if not posts:
        yield Text("Nothing waits for a person.\n", style="dim")
        return
    table = grid("Waiting for a person, the longest first", "Post", "Stage", "Mode", "Topic")
    for post in posts[:SHOWN]:
        open_now = post["review"]
        stage, mode = (open_now["stage"], open_now["mode"]) if open_now else (None, None)
        table.add_row(cell(post["id"]), cell(stage), cell(mode), cell(post["topic"]))
    yield table
    yield from _more(posts)
    yield Text(f"To look at one: {place.command('show', 'POST')}\n", style="yellow")


def dead_letters(letters: Sequence[DeadLetter], place: Place) -> Iterator[Part]:
    """What failed for good, and what to do about it."""
    if not letters:
        yield Text("Nothing is in the dead letter.\n", style="dim")
        return
    columns = ("Post", "Stage", "Tries", "Why", "Topic")
    table = grid("Failed for good, the newest first", *columns, right={"Tries"})
    for each in letters[:SHOWN]:
        why = Text(one_line(f"{each['code']}: {each['error']}"), style="red")
        numbers = cell(each["stage"]), cell(each["attempts"])
        table.add_row(cell(each["post_id"]), *numbers, why, cell(each["topic"]))
    yield table
    yield from _more(letters)
    retry, discard = (place.command("dead", word, "POST") for word in ("retry", "discard"))
    yield Text(f"Once the cause is gone: {retry}; or give it up: {discard}\n", style="yellow")


def _more(shown: Sequence[object]) -> Iterator[Part]:
    if len(shown) > SHOWN:
        yield Text(f"and more than these {SHOWN}", style="dim")


def _workers(status: WorkerStatus) -> Table:
    numbers = ("Processes", "Active", "Slots", "Queued", "Oldest")
    table = grid("Services", "Service", "Heard", *numbers, "Last done", right=numbers)
    for each in status["services"]:
        heard = Text("yes", style="green") if each["alive"] else Text("no", style="bold red")
        oldest = each["oldest_waiting_s"]
        table.add_row(
            cell(each["service"]),
            heard,
            *(cell(each[name]) for name in ("instances", "active", "slots", "queued")),
            cell(None if oldest is None else f"{oldest:.0f} s"),
            cell((each["last_completed_at"] or "-")[:19]),
        )
    return table
