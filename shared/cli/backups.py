"""`galley backup` and `galley restore`: the whole log in one file, and a plant made out of it."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shared.cli.options import OPERATE, Data, finish
from shared.cli.place import Place, flags_of
from shared.cli.terminal import out, say
from shared.errors import Misconfigured
from shared.jetstream import ADMIN, USERS, connect
from shared.local.backup import back_up, examine, put_all_back
from shared.local.layout import DEFAULT, Address, Layout
from shared.local.restoring import restore
from shared.settings import Nats, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rich.console import Console

    from shared.jetstream import Connection
    from shared.local.backup import Manifest, Progress

app = typer.Typer()

File = Annotated[Path, typer.Argument(metavar="FILE", help="The backup.", dir_okay=False)]
Server = Annotated[
    bool,
    typer.Option(
        "--server", help="The NATS server that GALLEY_NATS_ variables name, not the plant's."
    ),
]
MEGABYTE = 1_000_000


@app.command(rich_help_panel=OPERATE)
def backup(file: File, data: Data = Path(DEFAULT), server: Server = False) -> int:
    """Write the log and the pictures to one file, while everything goes on."""
    return finish(_backup(out(), file, data.resolve(), server=server))


@app.command(name="restore", rich_help_panel=OPERATE)
def restore_command(
    file: File,
    data: Data = Path(DEFAULT),
    server: Server = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is in it, and whether it is whole.")
    ] = False,
) -> int:
    """Make a data directory out of a backup; one that holds a log is left alone."""
    if check:
        return _check(out(), file)
    if server:
        return finish(_restore_server(out(), file))
    place = Place("", flags_of(data))
    return finish(_restore(out(), file, Layout(data.resolve()), place))


async def _backup(console: Console, file: Path, data: Path, *, server: bool) -> int:
    async with _server() if server else _plant(data) as admin:
        with _shown(console, "Copying") as progress:
            manifest = await back_up(admin, file, _now(), progress)
    say(console, f"Backed up to {file}: {_words(manifest)}", "green")
    say(console, "The rows in Postgres are not in it: they are made again from the log.")
    return 0


def _check(console: Console, file: Path) -> int:
    say(console, f"{file} is whole: {_words(examine(file))}", "green")
    return 0


async def _restore(console: Console, file: Path, layout: Layout, place: Place) -> int:
    manifest = examine(file)
    with _shown(console, "Restoring") as progress:
        aside = await restore(file, manifest, layout, _now(), progress)
    say(console, f"Restored into {layout.root}: {_words(manifest)}", "green")
    for path in aside:
        say(console, f"SET ASIDE, made from another log: {path}", "bold yellow")
    _after(console)
    say(console, f"Start it with: {place.command('up')}")
    return 0


async def _restore_server(console: Console, file: Path) -> int:
    manifest = examine(file)
    async with _server() as admin:
        with _shown(console, "Restoring") as progress:
            await put_all_back(admin, file, manifest, progress)
    say(console, f"Restored: {_words(manifest)}", "green")
    _after(console)
    say(console, "Now call `galley topology`, and give the projector an empty database:")
    say(console, "rows that were made from another log stop it and the gateway.")
    return 0


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251  a command is an edge: it looks at the clock


@contextmanager
def _shown(console: Console, doing: str) -> Iterator[Progress]:
    """How far it is, on a terminal; a pipe is told the end only."""
    with console.status(f"{doing} ...") as status:
        yield lambda stream, done: status.update(f"{doing} {stream}: {done / MEGABYTE:,.1f} MB")


def _after(console: Console) -> None:
    say(console, "What happened after the backup was taken is not in it; calls paid since then")
    say(console, "are unknown to this log, so compare the providers' invoices.", "yellow")


def _words(manifest: Manifest) -> str:
    log = manifest.log.extent
    size = sum(part.size for part in manifest.parts) / MEGABYTE
    return (
        f"{manifest.identity}, messages {log.first} to {log.last} ({log.messages} of them) and"
        f" the pictures, {size:.1f} MB, as of {manifest.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    )


@asynccontextmanager
async def _plant(data: Path) -> AsyncIterator[Connection]:
    layout = Layout(data)
    address = Address.read(layout)
    if not address.nats:
        raise Misconfigured("the plant was started by an older Galley: stop it and start it again")
    password = layout.passwords(USERS)[ADMIN]
    async with connect(address.nats, ADMIN, password, "backup") as admin:
        yield admin


@asynccontextmanager
async def _server() -> AsyncIterator[Connection]:
    nats = load(Nats)
    password = nats.password.get_secret_value()
    async with connect(nats.url, nats.user, password, "backup") as admin:
        yield admin
