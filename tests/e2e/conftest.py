"""One whole plant for all end-to-end tests, with an instant simulator.

Its supervisor lives in the tests' own event loop, so all of them share that of the session.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from shared.local.plant import Plan
from tests.e2e.press import Press, pressing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent
LIMIT = 150
ACK_WAIT = 3.0
PICTURES = ("--picture-side", "64")
CANARIES = {
    "GALLEY_PERPLEXITY_API_KEY": "canary-of-the-search-7f3a",
    "GALLEY_CLAUDE_API_KEY": "canary-of-the-texts-91c2",
    "GALLEY_GEMINI_API_KEY": "canary-of-the-pictures-b05e",
    "GALLEY_WEBHOOK_SECRET": "canary-of-the-notices-44d8",
}
"""Secrets that nobody may ever see outside the process they are for."""
IMPATIENT = {
    "GALLEY_ATTEMPTS_BACKOFF_BASE_S": "0.05",
    "GALLEY_ATTEMPTS_OUTAGE_PAUSE_S": "0.2",
    "GALLEY_ATTEMPTS_OUTAGE_PAUSE_MAX_S": "1",
    "GALLEY_GEMINI_TIMEOUT_S": "3",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder needs real servers, and the loop in which the plant lives."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            item.add_marker("integration")
            item.add_marker(pytest.mark.timeout(LIMIT))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def press(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Press]:
    """The plant that all tests work on at once: choose topics so that they cannot meet."""
    plan = Plan(
        data=tmp_path_factory.mktemp("plant"),
        simulator=PICTURES,
        settings=IMPATIENT | CANARIES,
        ack_wait=ACK_WAIT,
        drain=5,
    )
    async with pressing(plan) as running:
        yield running
