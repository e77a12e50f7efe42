"""The OpenAPI document is true: requests made from it, valid and not, meet what it promises.

The streams are left out: they never end, and have tests of their own.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.jetstream.server import galley_nats  # noqa: F401
from tests.integration.test_gateway import plant  # noqa: F401

if TYPE_CHECKING:
    from tests.integration.test_gateway import Plant

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

SCHEMATHESIS = Path(sys.executable).with_name("st")
ROOT = Path(__file__).parents[2]
HOOKS = "tests.integration.schemathesis_hooks"
CONFIG = """
[[operations]]
include-path = ["/api/posts/batch", "/api/settings"]
checks.positive_data_acceptance.enabled = false
"""
"""That a profile exists and a model has a price is nothing a document can say."""
ENDLESS = "^/api/events"
EXAMPLES = 3
PHASES = "examples,fuzzing,stateful"
SEED = 20260101


async def schemathesis(url: str, folder: Path) -> tuple[int, str]:
    """Run it against a gateway; its exit code and what it said."""
    command = [
        *(str(SCHEMATHESIS), "run", f"{url}/openapi.json"),
        *("--phases", PHASES, "--exclude-path-regex", ENDLESS),
        *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-deterministic"),
        *("--continue-on-failure", "--no-color", "--warnings", "off"),
        *("--suppress-health-check", "all", "--request-timeout", "20"),
    ]
    (folder / "schemathesis.toml").write_text(CONFIG)
    running = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    return running.returncode or 0, said.decode()


async def test_the_gateway_does_what_its_document_says(
    plant: Plant,  # noqa: F811
    tmp_path: Path,
) -> None:
    async with plant.projecting():
        code, said = await schemathesis(str(plant.client.base_url).rstrip("/"), tmp_path)
    assert code == 0, said
