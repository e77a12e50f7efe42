"""`galley settings`: what holds for every post to come, shown and changed part by part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.fields import settings
from shared.cli.options import AsJson, Data, Url, finish
from shared.cli.place import place_of
from shared.cli.terminal import cell, emit, grid, out, say
from shared.client import Gateway
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table

    from shared.cli.place import Place
    from shared.client.reports import Setting, StageModel

app = typer.Typer(no_args_is_help=True)


@app.command()
def show(*, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Every setting in force, and what each stage calls and may be set to."""
    return finish(_show(place_of(url, data), as_json=as_json))


@app.command(name="set")
def put(
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY.PART=VALUE...",
            help="As concurrency.write=2 or stage_models.edit.effort=low; without a value: the"
            " default.",
        ),
    ],
    *,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Change settings; workers and new posts obey at once, parts you do not name stay."""
    return finish(_put(place_of(url, data), changes, as_json=as_json))


async def _show(place: Place, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        found, models = await gateway.settings(), await gateway.stage_models()
    if as_json:
        emit(out(), found)
        return
    tell(found)
    out().print(_calls(models))
    for line in _choices(models):
        say(out(), line)


async def _put(place: Place, changes: Sequence[str], *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        now = await gateway.settings()
        said = settings(changes, {each["key"]: each["value"] for each in now})
        if not said:
            raise Misconfigured("say what to change: KEY.PART=VALUE")
        found = await gateway.change_settings(version=now[0]["version"], **said)
    if as_json:
        emit(out(), found)
    else:
        tell([each for each in found if each["key"] in said])


def tell(found: Sequence[Setting]) -> None:
    """Part by part, in the words `galley settings set` takes."""
    for setting in found:
        for name, value in _parts(setting["key"], setting["value"]):
            shown = value if isinstance(value, str) else json.dumps(value)
            say(out(), f"{name}={'' if value is None else shown}")


def _parts(name: str, value: object) -> list[tuple[str, object]]:
    if not isinstance(value, dict) or not value:
        return [(name, value or None)]
    return [part for key, each in value.items() for part in _leaf(f"{name}.{key}", each)]


def _leaf(name: str, value: object) -> list[tuple[str, object]]:
    return _parts(name, value) if isinstance(value, dict) else [(name, value)]


def _calls(models: Sequence[StageModel]) -> Table:
    table = grid("What each stage calls", "Stage", "Provider", "Model", "Effort", "Image model")
    for each in models:
        columns = each["provider"], each["model"], each["effort"], each["image_model"]
        table.add_row(each["stage"], *(cell(value) for value in columns))
    return table


def _choices(models: Sequence[StageModel]) -> Iterator[str]:
    """What a stage may be set to; the stages of one provider have the same choice."""
    legal = {each["provider"]: each for each in models}
    for provider, each in legal.items():
        yield f"{provider}: {', '.join(sorted(each['models']))}"
        yield f"  effort: {', '.join(each['efforts'])}"
    pictures = {name for each in models for name in each["image_models"]}
    yield f"image models: {', '.join(sorted(pictures))}"
