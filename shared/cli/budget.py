"""`galley budget`: what may be paid, what is left of it, and where that is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.options import TERMS, AsJson, Data, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import cell, emit, grid, out, say
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.cli.place import Place
    from shared.client.reports import Budget, Budgets

app = typer.Typer()

MONEY = ("Cap US$", "Spent", "Held back", "In doubt", "Left")
_NO_CAP = "none"

Cap = Annotated[
    str | None,
    typer.Option(metavar="DOLLARS", help="The cap of a day (UTC) for all posts together; or none."),
]
EachPost = Annotated[
    str | None,
    typer.Option(
        "--each-post",
        metavar="DOLLARS",
        help="The cap of every post that has none of its own; or none.",
    ),
]
Profile = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID=DOLLARS", help="The cap of all posts of a profile, for ever; repeatable."
    ),
]
Post = Annotated[
    list[str] | None, typer.Option(metavar="ID=DOLLARS", help="A post's own cap; repeatable.")
]


@app.command(rich_help_panel=TERMS)
def budget(
    day: Cap = None,
    each_post: EachPost = None,
    profile: Profile = None,
    post: Post = None,
    *,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Show every budget; or set caps, in dollars. Posts that wait go on once there is room."""
    caps = {"day_usd": day, "post_usd": each_post}
    said = {name: _dollars(told) for name, told in caps.items() if told is not None}
    profiles, posts = dict(map(_named, profile or ())), dict(map(_named, post or ()))
    return finish(_budget(place_of(url, data), said, profiles, posts, as_json=as_json))


async def _budget(
    place: Place,
    said: dict[str, float | None],
    profiles: dict[str, float | None],
    posts: dict[str, float | None],
    *,
    as_json: bool,
) -> None:
    async with Gateway(place.url) as gateway:
        if said:
            await _set(gateway, said)
        for name, cap in profiles.items():
            await gateway.change_profile(name, budget_usd=cap)
        for name, cap in posts.items():
            await gateway.change(name, budget_usd=cap)
        found = await gateway.budgets()
    if as_json:
        emit(out(), found)
        return
    _tell(found)


async def _set(gateway: Gateway, said: dict[str, float | None]) -> None:
    """A setting is written whole, after the version it was read in."""
    now = await gateway.settings()
    before = next(each["value"] for each in now if each["key"] == "budgets") or {}
    caps = {name: cap for name, cap in {**before, **said}.items() if cap is not None}
    await gateway.change_settings(version=now[0]["version"], budgets=caps or None)


def _tell(found: Budgets) -> None:
    table = grid("Budgets", "Whose", *MONEY, right=MONEY)
    for each in _every(found):
        table.add_row(cell(_whose(each)), *_amounts(each))
    out().print(table)
    for line in _notes(found):
        say(out(), line)


def _every(found: Budgets) -> Sequence[Budget]:
    return [found["day"], *found["profiles"], *found["posts"]]


def _whose(each: Budget) -> str:
    return each["period"] if each["scope"] == "day" else f"{each['scope']} {each['id']}"


def _amounts(each: Budget) -> Iterator[str]:
    for amount in (each["cap_usd"], each["spent_usd"], each["reserved_usd"]):
        yield _NO_CAP if amount is None else f"{amount:.4f}"
    yield f"{each['unconfirmed_usd']:.4f}"
    yield "" if each["left_usd"] is None else f"{max(0.0, each['left_usd']):.4f}"


def _notes(found: Budgets) -> Iterator[str]:
    if found["post_usd"] is not None:
        yield f"A post may cost ${found['post_usd']:.2f} unless it says otherwise."
    if found["pages"] > 1:
        yield f"These are {len(found['posts'])} of {found['total']:,} posts with a cap."


def _named(told: str) -> tuple[str, float | None]:
    name, equals, cap = told.partition("=")
    if not equals or not name.strip():
        raise Misconfigured(f"{told!r} sets no cap: say ID=DOLLARS, or ID=none")
    return name.strip(), _dollars(cap)


def _dollars(told: str) -> float | None:
    """A number, or None for no cap."""
    if told.strip() == _NO_CAP:
        return None
    try:
        return float(told)
    except ValueError:
        raise Misconfigured(f"{told!r} is no amount: say dollars, or none") from None
