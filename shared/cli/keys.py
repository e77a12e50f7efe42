"""`galley keys`: who may ask the gateway. A key is printed once, when it is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.options import FAILED, AsJson, Data, Url, Yes, finish
from shared.cli.place import place_of
from shared.cli.terminal import cell, emit, grid, out, say
from shared.client import Gateway
from shared.domain.keys import Role
from shared.errors import Misconfigured
from shared.local.layout import DEFAULT, drawn_key

if TYPE_CHECKING:
    from shared.cli.place import Place
    from shared.client.keys import ApiKey

app = typer.Typer(no_args_is_help=True)

Tenant = Annotated[
    str | None,
    typer.Option("--tenant", help="Another tenant's; only admins of `main` may say it."),
]


@app.command(name="list")
def listed(
    tenant: Tenant = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that let nobody in any more, too.")
    ] = False,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Who may ask the gateway, and when they last did."""
    asked = _listed(place_of(url, data), tenant, everything=everything, as_json=as_json)
    return finish(asked)


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="In whose name it acts.")],
    role: Annotated[str, typer.Argument(metavar="ROLE", help=", ".join(Role) + ".")],
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="After so many days it lets nobody in.")
    ] = None,
    tenant: Tenant = None,
    *,
    as_json: AsJson = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Make a key and print it: it cannot be shown again."""
    if role not in list(Role):
        raise Misconfigured(f"there is no role {role!r}; there are {', '.join(Role)}")
    return finish(_create(place_of(url, data), name, role, days, tenant, as_json=as_json))


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Its id.")],
    tenant: Tenant = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="The last admin key, too.")] = False,
    yes: Yes = False,
    url: Url = "",
    data: Data = Path(DEFAULT),
) -> int:
    """Let its owner in no more, at once and for good."""
    place = place_of(url, data)
    if not yes and not typer.confirm(f"Revoke the key {key_id}? There is no way back."):
        say(out(), "Nothing was revoked.")
        return FAILED
    return finish(_revoke(place, key_id, tenant, force=force))


@app.command()
def draw(tenant: Annotated[str, typer.Option("--tenant", help="Whose.")] = "main") -> None:
    """Print a key that no gateway knows yet, to be a new one's GALLEY_FIRST_KEY."""
    out().out(str(drawn_key(tenant)), highlight=False)


async def _listed(place: Place, tenant: str | None, *, everything: bool, as_json: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        found = [each for each in await gateway.keys(tenant=tenant) if each["live"] or everything]
    if as_json:
        emit(out(), found)
        return
    table = grid("", "Key", "Name", "Role", "Made", "Last used", "State")
    for each in found:
        columns = each["id"], each["name"], each["role"], each["created"], each["last_used"]
        table.add_row(*(cell(value or "never") for value in columns), cell(_state(each)))
    out().print(table)


def _state(key: ApiKey) -> str:
    if key["revoked"]:
        return f"revoked {key['revoked']}"
    if key["expires"]:
        return f"{'until' if key['live'] else 'expired'} {key['expires']}"
    return "live"


async def _create(
    place: Place, name: str, role: str, days: int | None, tenant: str | None, *, as_json: bool
) -> None:
    async with Gateway(place.url, place.key) as gateway:
        made = await gateway.create_key(name, role, expires_in_days=days, tenant=tenant)
    if as_json:
        emit(out(), made)
        return
    say(out(), f"Made the key {made['id']} of {name}, {role}. It is shown here and never again:")
    out().out(made["key"], highlight=False)


async def _revoke(place: Place, key_id: str, tenant: str | None, *, force: bool) -> None:
    async with Gateway(place.url, place.key) as gateway:
        gone = await gateway.revoke_key(key_id, force=force, tenant=tenant)
    say(out(), f"The key {key_id} of {gone['name']} lets nobody in any more.")
