"""`galley profiles`: what the posts of one site have in common, under a name of yours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.cli.fields import OF_PROFILES, fields
from shared.cli.lookup import find, profile_of
from shared.cli.options import FAILED, AsJson, Data, Fields, Gates, Url, Yes, finish
from shared.cli.place import place_of
from shared.cli.posts import gates
from shared.cli.terminal import cell, emit, grid, out, say
from shared.client import Gateway
from shared.local.layout import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.cli.place import Place
    from shared.client.reports import Profile

app = typer.Typer(no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="PROFILE", help="Its name, or its id.")]


@app.command(name="list")
def listed(*, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Every profile, by name."""
    return finish(_listed(place_of(url, data), as_json=as_json))


@app.command()
def show(
    named: Named, *, as_json: AsJson = False, url: Url = "", data: Data = Path(DEFAULT)
) -> int:
    """What a profile says; what it leaves out shows the default a post would get."""
    return finish(_show(place_of(url, data), named, as_json=as_json))


@app.command(name="set")
def put(
    named: Named,
    changes: Fields = None,
    gate: Gates = None,
    *,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Change a profile, or make one if there is none of this name; posts stay as they are."""
    said = fields(changes or (), OF_PROFILES)
    if gate:
        said["default_stage_settings"] = gates(gate)
    return finish(_put(place_of(url, data), named, said, as_json=as_json))


@app.command()
def delete(named: Named, *, yes: Yes = False, url: Url = "", data: Data = Path(DEFAULT)) -> int:
    """Take a profile out of use; its posts stay."""
    place = place_of(url, data)
    if not yes and not typer.confirm(f"Delete the profile {named!r}? Its posts stay."):
        say(out(), "Nothing was deleted.")
        return FAILED
    return finish(_delete(place, named))


async def _listed(place: Place, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        found = [each async for each in gateway.profiles()]
    if as_json:
        emit(out(), found)
        return
    if not found:
        make = place.command("profiles", "set", "My site", "tone=Dry and exact")
        say(out(), f"There is no profile yet. To make one: {make}")
        return
    table = grid("", "Profile", "Name", "Site", "Words", right={"Words"})
    for each in found:
        columns = each["id"], each["name"], each["website_url"], each["word_count"]
        table.add_row(*(cell(value) for value in columns))
    out().print(table)


async def _show(place: Place, named: str, *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        profile = await profile_of(gateway, named)
    if as_json:
        emit(out(), profile)
    else:
        tell(profile)


def tell(profile: Profile) -> None:
    """Field by field, in the words `galley profiles set` takes."""
    values = dict[str, object](profile)
    say(out(), f"{profile['name']} ({profile['id']}, version {profile['version']})", "bold")
    for name in OF_PROFILES[1:]:
        value = values[name]
        said = ";".join(map(str, value)) if isinstance(value, list) else value
        say(out(), f"  {name}={said}")
    for stage, mode in profile["default_stage_settings"].items():
        if mode != "auto":
            say(out(), f"  --gate {stage}={mode}")


async def _put(place: Place, named: str, said: Mapping[str, Any], *, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        found = await find(gateway, named)
        if found is None:
            profile = await gateway.create_profile(**{"name": named, **said})
        else:
            profile = await gateway.change_profile(found["id"], version=found["version"], **said)
    if as_json:
        emit(out(), profile)
        return
    say(out(), f"{'Made' if found is None else 'Changed'}; new posts take it with --profile.")
    tell(profile)


async def _delete(place: Place, named: str) -> None:
    async with Gateway(place.url, place.key) as gateway:
        profile = await profile_of(gateway, named)
        await gateway.delete_profile(profile["id"], version=profile["version"])
    say(out(), f"Deleted the profile {profile['name']}; its posts stay as they are.")
