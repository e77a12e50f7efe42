"""However many call at once and whatever dies meanwhile, no more is charged than the cap allows.

`GALLEY_BUDGET_SEEDS=1000` lives more lives, `GALLEY_BUDGET_FIRST=4711` begins elsewhere.
"""

from __future__ import annotations

import os

import pytest

from tests.unit.runtime.budgets.town import Town
from tests.unit.runtime.simulation.virtual_time import Hangs, lived

SEEDS = int(os.environ.get("GALLEY_BUDGET_SEEDS", "20"))
FIRST = int(os.environ.get("GALLEY_BUDGET_FIRST", "0"))


def told(seed: int) -> Town:
    town = Town(seed)
    try:
        lived(town.live())
    except (Hangs, TimeoutError) as error:
        town.broken.append(f"it hangs: {error!r}")
    return town


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_fifty_posts_never_exceed_a_cap_for_seven_calls_and_go_on_once_it_is_raised(seed):
    town = told(seed)
    if town.broken or town.escaped:
        pytest.fail("\n".join([f"seed {seed}", *town.schedule[-200:], *town.broken, *town.escaped]))
