"""One plant for all tests that give commands to one which is up, started when first wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.plant.galley import Desk, Running

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Choose topics and names so that tests cannot meet."""
    with Running("up", "--instant", cwd=tmp_path_factory.mktemp("up")) as running:
        running.until("Ctrl-C stops it")
        yield running


@pytest.fixture
def up(plant: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(plant.cwd)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("GALLEY_URL", raising=False)
    return Desk(plant, capsys)
