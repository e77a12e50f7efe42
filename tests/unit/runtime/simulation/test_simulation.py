"""Many lives of one post, each with its own troubles, and the laws that hold in all of them.

A life that breaks a law is told with its seed, and its whole schedule can be had again by that
seed. `make simulate LIVES=100000` lives more of them.
"""

from __future__ import annotations

import pytest

from tests.unit.runtime.simulation.laws import broken
from tests.unit.runtime.simulation.virtual_time import Hangs, lived
from tests.unit.runtime.simulation.world import World

SEEDS = 300
PORTIONS = 10


def told(seed: int) -> tuple[World, list[str]]:
    """One life, and the laws it broke."""
    world = World(seed)
    try:
        lived(world.live())
    except (Hangs, TimeoutError) as error:
        return world, [f"nothing_hangs: {error!r}", *broken(world)]
    return world, broken(world)


@pytest.mark.parametrize("portion", range(PORTIONS))
def test_whatever_happens_every_law_holds(portion):
    for seed in range(portion, SEEDS, PORTIONS):
        world, laws = told(seed)
        if laws:
            pytest.fail("\n".join([f"seed {seed}", *world.schedule, "", *laws]))


def test_a_seed_tells_the_same_story_twice():
    assert told(7)[0].schedule == told(7)[0].schedule
