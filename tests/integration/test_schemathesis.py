"""The OpenAPI document is true: requests made from it, valid and not, meet what it promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.testing.access import KEY
from tests.fuzz.tool import Run, fuzz
from tests.integration.jetstream.server import galley_nats  # noqa: F401
from tests.integration.test_gateway import plant  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.test_gateway import Plant

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

# The phase left out makes thousands of cases of its own: `make fuzz` runs it.
SHORT = Run(cases=3, seed=20260101, phases=("examples", "fuzzing", "stateful"))


async def test_the_gateway_does_what_its_document_says(
    plant: Plant,  # noqa: F811
    tmp_path: Path,
) -> None:
    async with plant.projecting():
        code, said = await fuzz(str(plant.client.base_url).rstrip("/"), str(KEY), tmp_path, SHORT)
    assert code == 0, said
