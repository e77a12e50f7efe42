"""`galley costs`: what was paid, and for what."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.options import PRESS, AsJson, Data, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import cell, emit, grid, out, say
from shared.client import Gateway
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.cli.place import Place
    from shared.client.reports import Cost, Costs

app = typer.Typer()

NUMBERS = ("Posts", "Calls", "Tokens in", "Tokens out", "US$", "of it images")


class By(StrEnum):
    STAGE = "stage"
    MODEL = "model"
    PROFILE = "profile"
    DAY = "day"


@app.command(rich_help_panel=PRESS)
def costs(
    by: Annotated[By, typer.Option("--by", help="What to sum up by.")] = By.STAGE,
    days: Annotated[
        int, typer.Option("--days", min=1, help="Of so many days, today included.")
    ] = 30,
    *,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """What was paid, by stage, model, profile or day; deleted posts are included."""
    return finish(_costs(place_of(url, data), by, days, as_json=as_json))


async def _costs(place: Place, by: By, days: int, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        found = await gateway.costs(by, days=days)
        names = {each["id"]: each["name"] async for each in gateway.profiles()}
    if as_json:
        emit(out(), found)
        return
    _tell(found, names if by is By.PROFILE else {})


def _tell(found: Costs, names: dict[str, str]) -> None:
    first = found["group"].capitalize()
    title = f"From {found['since']} to {found['until']} (UTC)"
    table = grid(title, first, *NUMBERS, right=NUMBERS)
    for each in found["groups"]:
        key = each["key"]
        table.add_row(cell(names.get(key, key) if key else None), *_numbers(each))
    table.add_section()
    table.add_row("all", *_numbers(found["total"]))
    out().print(table)
    for line in _notes(found):
        say(out(), line)


def _numbers(cost: Cost) -> Iterator[str]:
    for count in (cost["posts"], cost["calls"], cost["tokens_in"], cost["tokens_out"]):
        yield f"{count:,}"
    yield f"{cost['settled_usd']:.4f}"
    yield f"{cost['images_usd']:.4f}"


def _notes(found: Costs) -> Iterator[str]:
    if found["avg_usd_per_post"] is not None:
        yield f"${found['avg_usd_per_post']:.4f} a post."
    if count := found["total"]["unconfirmed"]:
        most = found["total"]["unconfirmed_usd"]
        yield f"Not confirmed: {count:,} calls may have cost up to ${most:.4f} more."
