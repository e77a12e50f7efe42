"""`galley rules`: what each stage is told to be and to do, every version kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from shared.cli.control import stage_of, text_in
from shared.cli.options import AsJson, Data, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import cell, emit, grid, one_line, out, say
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from shared.cli.place import Place
    from shared.client.reports import Rules, RulesListed

app = typer.Typer(no_args_is_help=True)

SHIPPED = "shipped"
STYLES = {"+": "green", "-": "red", "@": "cyan"}

OfStage = Annotated[str, typer.Argument(metavar="STAGE", help="Whose rules.")]


@app.command(name="list")
def listed(*, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Which rules are in force for each stage."""
    return finish(_listed(place_of(url, data), as_json=as_json))


@app.command()
def show(
    stage: OfStage,
    version: Annotated[int | None, typer.Option("--version", help="As they were then.")] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """The text, as it is: redirect it into a file, edit that, and `set` it."""
    return finish(_show(place_of(url, data), stage_of(stage), version))


@app.command(name="set")
def put(
    stage: OfStage,
    path: Annotated[
        str, typer.Argument(metavar="FILE", help="The whole new text; - is the input.")
    ],
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Put a new text in force, for the pipelines that start from now on."""
    named, text = stage_of(stage), _text(path)
    return finish(_put(place_of(url, data), named, text))


@app.command()
def history(
    stage: OfStage, *, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)
) -> int:
    """Every change, newest first: when, and by whom."""
    return finish(_history(place_of(url, data), stage_of(stage), as_json=as_json))


@app.command()
def diff(
    stage: OfStage,
    before: Annotated[
        str, typer.Option("--from", metavar="VERSION", help="A number, or shipped.")
    ] = SHIPPED,
    after: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="A number, or shipped. [default: in force]"),
    ] = None,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """How two versions differ."""
    return finish(_diff(place_of(url, data), stage_of(stage), before, after))


@app.command()
def restore(
    stage: OfStage,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A number, or shipped.")],
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Put an earlier version, or the shipped rules, in force again."""
    if version != SHIPPED and not version.isdecimal():
        raise Misconfigured(f"{version!r} is no version: say a number of the history, or shipped")
    return finish(_restore(place_of(url, data), stage_of(stage), version))


def _text(path: str) -> str:
    """Raises `Misconfigured` for what is no text."""
    if path != "-":
        return text_in(Path(path))
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise Misconfigured("the input is no text in UTF-8") from None


async def _listed(place: Place, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        found = await gateway.all_rules()
    if as_json:
        emit(out(), found)
        return
    table = grid("", "Stage", "Rules", "Version", "Bytes", right={"Version", "Bytes"})
    for each in found:
        number = each["version"] or None
        table.add_row(*map(cell, (each["stage"], each["source"], number, f"{each['size']:,}")))
    out().print(table)
    for each in found:
        _warn(place, each)


def _warn(place: Place, rules: RulesListed) -> None:
    """Name what somebody has stored and no run is told."""
    above, stage = rules["unreadable"], rules["stage"]
    if above is None:
        return
    number = rules["version"]
    holds = f"version {number} is" if number else "the shipped rules are"
    why = "is damaged" if above["why"] == "damaged" else "was written by a newer Galley"
    line = f"{stage}: version {above['version']} {why}; {holds} in force"
    if above["why"] == "damaged":
        back = place.command("rules", "restore", stage, str(number or SHIPPED))
        line += f"; to build over it: {back}"
    say(out(), line, "yellow")


async def _show(place: Place, stage: str, version: int | None) -> None:
    async with Gateway(place.url, place.key) as gateway:
        rules = await gateway.rules(stage, version)
    if out().is_terminal:
        for line in rules["content"].splitlines():
            say(out(), line)
        return
    # Into a file it goes as it is: what is set again unedited is the same text.
    sys.stdout.buffer.write(rules["content"].encode())
    sys.stdout.buffer.flush()


async def _put(place: Place, stage: str, text: str) -> None:
    async with Gateway(place.url, place.key) as gateway:
        [before] = [each for each in await gateway.all_rules() if each["stage"] == stage]
        rules = await gateway.change_rules(stage, text, version=_seen(before))
    _tell(rules)
    say(out(), f"To see what changed: {place.command('rules', 'diff', stage)}")


def _seen(rules: RulesListed) -> int | None:
    """The version a change has to follow. What a newer Galley has written is not built over
    unawares: then no version is named, and the gateway refuses."""
    above = rules["unreadable"]
    if above is None:
        return rules["version"] or None
    return above["version"] if above["why"] == "damaged" else None


def _tell(rules: Rules) -> None:
    number = f"version {rules['version']}, {rules['source']}"
    say(out(), f"In force for {rules['stage']} from the next pipeline on: {number}.")


async def _history(place: Place, stage: str, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        found = [each async for each in gateway.rules_history(stage)]
    if as_json:
        emit(out(), found)
        return
    if not found:
        say(out(), f"Nobody has changed the rules of {stage}: the shipped ones are in force.")
        return
    table = grid("", "Version", "Rules", "By", "At", "Bytes", right={"Version", "Bytes"})
    for each in found:
        size, at = f"{each['size']:,}", (each["at"] or "")[:19]
        table.add_row(*map(cell, (each["version"], each["source"], each["actor"], at, size)))
    out().print(table)


async def _diff(place: Place, stage: str, before: str, after: str | None) -> None:
    async with Gateway(place.url, place.key) as gateway:
        told = await gateway.rules_diff(stage, before, after)
    if not told["diff"]:
        say(out(), f"No difference between {told['from_version']} and {told['to_version']}.")
    for line in told["diff"].splitlines():
        say(out(), Text(one_line(line), style=STYLES.get(line[:1], "")))


async def _restore(place: Place, stage: str, version: str) -> None:
    async with Gateway(place.url, place.key) as gateway:
        number = version if version == SHIPPED else int(version)
        _tell(await gateway.restore_rules(stage, number))
