"""Which gateway a command speaks to, and how to spell the next command for the same one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.local.layout import DEFAULT, Address, Layout
from shared.settings import Caller, load

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway's address, the key to ask it with, and what a command needs to find it again."""

    url: str
    flags: tuple[str, ...] = ()
    key: str = field(default="", repr=False)

    def command(self, *words: str) -> str:
        """A command line for a person to copy."""
        return shlex.join(("galley", *words, *self.flags))


def place_of(url: str, data: Path) -> Place:
    """The gateway at `url`, or the plant's on `data`. Raises `Misconfigured` when none is up."""
    layout = Layout(data)
    if not url:
        return plant_at(layout, Address.read(layout).gateway)
    there, url = Address.running(layout), url.rstrip("/")
    of_plant = there is not None and there.gateway == url
    return Place(url, ("--url", url), (of_plant and layout.known_key()) or _said())


def plant_at(layout: Layout, url: str) -> Place:
    """The plant of this data directory, which answers at `url`."""
    return Place(url, flags_of(layout.root), layout.known_key() or _said())


def _said() -> str:
    key = load(Caller).api_key
    return key.get_secret_value().strip() if key else ""


def flags_of(data: Path) -> tuple[str, ...]:
    """What another command needs to find the plant on `data`."""
    return () if str(data) == DEFAULT else ("--data", str(data))
