"""A wave: so many posts handed in at once, timed until every one is complete and projected."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.usage import LOAD, cpu_seconds, difference, machine_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.rig import Rig


LEAST_LEFT = 0.1
"""The part of a wave that must come after its creation for that to have a speed of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Times in seconds. `creating` ends with the last post's answer, `lasted` with its row.

    `cpu` is CPU seconds by group, `machine` those of everything that ran on the machine meanwhile.
    """

    posts: int
    creating: float
    lasted: float
    cpu: Mapping[str, float]
    machine: float
    facts: int

    @property
    def rate(self) -> float:
        """Pipelines a second."""
        return self.posts / self.lasted

    @property
    def creation_rate(self) -> float:
        """Posts created a second."""
        return self.posts / self.creating

    @property
    def rate_after_creation(self) -> float | None:
        """Pipelines a second from the last creation on: flattering, for work was done before; and
        nothing when there was next to none left to do."""
        left = self.lasted - self.creating
        return self.posts / left if left > LEAST_LEFT * self.lasted else None

    @property
    def facts_per_post(self) -> float:
        return self.facts / self.posts

    @property
    def cpu_ms(self) -> dict[str, float]:
        """CPU ms per pipeline, by group."""
        return {name: 1000 * used / self.posts for name, used in self.cpu.items()}

    @property
    def services_cpu_ms(self) -> float:
        """CPU ms per pipeline of everything but the load generator."""
        return sum(used for name, used in self.cpu_ms.items() if name != LOAD)

    @property
    def load_share(self) -> float:
        """The load generator's part of what we used."""
        return self.cpu[LOAD] / max(sum(self.cpu.values()), 1e-9)

    @property
    def others_share(self) -> float:
        """What strangers on this machine used, as a part of all that was used."""
        return max(0.0, 1 - sum(self.cpu.values()) / max(self.machine, 1e-9))


async def wave(rig: Rig, count: int) -> Wave:
    """Raises `PostFailed` or `GatewayError`: an incomplete wave has no figures."""
    before = await rig.rows.counts()
    cpu, machine, began = cpu_seconds(rig.pids), machine_seconds(), time.perf_counter()
    async with rig.posts() as posts:
        await posts.create_many(count, "How to bench a puppy")
    created = time.perf_counter()
    after = await rig.rows.all_complete(before.complete + count)
    ended = time.perf_counter()
    return Wave(
        posts=count,
        creating=created - began,
        lasted=ended - began,
        cpu=difference(cpu, cpu_seconds(rig.pids)),
        machine=machine_seconds() - machine,
        facts=after.position - before.position,
    )
