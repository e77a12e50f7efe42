"""Which gateway a command speaks to, and how to spell the next command for the same one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.local.layout import DEFAULT, Address, Layout

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A gateway's address; `flags` are what a command needs to find it again."""

    url: str
    flags: tuple[str, ...] = ()

    def command(self, *words: str) -> str:
        """A command line for a person to copy."""
        return shlex.join(("galley", *words, *self.flags))


def place_of(url: str, data: Path) -> Place:
    """The gateway at `url`, or the plant's on `data`. Raises `Misconfigured` when none is up."""
    if url:
        return Place(url.rstrip("/"), ("--url", url.rstrip("/")))
    return Place(Address.read(Layout(data)).gateway, flags_of(data))


def flags_of(data: Path) -> tuple[str, ...]:
    """What another command needs to find the plant on `data`."""
    return () if str(data) == DEFAULT else ("--data", str(data))
