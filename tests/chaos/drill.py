"""One drill: its seed, its time, what was done in it, and how it is repeated.

`CHAOS_SEED` and `CHAOS_SECONDS` (which `make drills SEED=n SECONDS=s` sets) choose another fault at
another time, and more of them; without them every drill is short and always the same.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)

SEED = int(os.environ.get("CHAOS_SEED") or 1)
SECONDS = float(os.environ.get("CHAOS_SECONDS") or 0)


@dataclass(slots=True)
class Drill:
    """`random` is all the chance there is in it."""

    name: str
    random: Random
    diary: list[str] = field(default_factory=list)

    def did(self, what: str, **details: object) -> None:
        """Write down what was done or came of it."""
        log.info("drill", drill=self.name, seed=SEED, did=what, **details)
        told = " ".join(f"{name}={value}" for name, value in details.items())
        self.diary.append(f"{what} {told}".rstrip())

    def rounds(self, least: int) -> Iterator[int]:
        """Count the rounds: `least` of them, and further ones until the time is up."""
        loop = asyncio.get_running_loop()
        until, at = loop.time() + SECONDS, 0
        while at < least or loop.time() < until:
            yield at
            at += 1

    def told(self) -> str:
        """What was done, and the command that does it again."""
        again = f"again: make drills DRILL={self.name} SEED={SEED} SECONDS={SECONDS:g}"
        return "\n".join([*self.diary, again])


def drill_of(name: str) -> Drill:
    return Drill(name, Random(f"{name} {SEED}"))
