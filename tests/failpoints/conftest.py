"""One plant for all failpoints: each is armed in every process, and strikes when a test says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from shared.failpoints import PLACES
from shared.local.plant import Plan
from tests.failpoints.rig import rigged
from tests.failpoints.rows import ROWS, STOPS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.failpoints.rig import Made, Rig

HERE = Path(__file__).parent
LIMIT = 600
ACK_WAIT = 2.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs real servers, and the loop in which the plant lives."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker("integration")
            item.add_marker("slow")
            item.add_marker(pytest.mark.timeout(LIMIT))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    marks = tmp_path_factory.mktemp("marks")
    deaths = {*PLACES, *(entry for row in ROWS for entry in row.entries), "gateway.streaming@3"}
    armed = [*(f"{entry}:kill" for entry in deaths), *(f"{entry}:stop" for entry in STOPS)]
    plan = Plan(
        data=tmp_path_factory.mktemp("plant"),
        simulator=("--picture-side", "64"),
        settings={
            "GALLEY_FAILPOINT": ",".join(armed),
            "GALLEY_FAILPOINT_MARK": str(marks),
        },
        ack_wait=ACK_WAIT,
        drain=5,
    )
    async with rigged(plan, marks) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def unhurt(rig: Rig) -> Made:
    """A post that met no crash."""
    return await rig.made("unhurt", rig.unhurt)
