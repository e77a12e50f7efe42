"""Three short storms, each over a plant of its own; `make chaos` raises longer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.storm.storm import Order, weathered

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 8.0
POSTS = 6
AGAIN = f"make chaos SEED={{}} SECONDS={SECONDS:g} POSTS={POSTS} SEEDS=1"


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_after_a_storm_every_law_holds(seed: int, tmp_path: Path) -> None:
    order = Order(seed=seed, seconds=SECONDS, posts=POSTS)
    report = await weathered(order, tmp_path / "data", lambda _: None)
    assert report.faults.total() > 0
    assert report.laws == [], f"again: {AGAIN.format(seed)}"
