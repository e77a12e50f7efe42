"""`galley up --reload`: a change of the code restarts what it concerns, and nothing else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.integration.plant.galley import ROOT, Running, settled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, which may be changed."""
    place = tmp_path_factory.mktemp("copy")
    for name in ("services", "shared"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    return place


@pytest.fixture(scope="module")
def reloading(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A plant that runs the copy."""
    place = tmp_path_factory.mktemp("reloading")
    with Running("up", "--instant", "--reload", cwd=place, root=copy) as running:
        running.until("Watching the code")
        yield running


@pytest.mark.parametrize(
    ("changed", "concerned"),
    [
        ("services/write/prompt.md", {"write"}),
        ("services/outline/stage.py", {"outline"}),
        ("shared/providers/gemini.py", {"images"}),
        ("shared/simulator/app.py", {"simulator"}),
        ("shared/content/structured.py", {"images", "ready"}),
    ],
)
def test_a_change_restarts_exactly_what_it_concerns(
    reloading: Running, copy: Path, changed: str, concerned: set[str]
) -> None:
    before = reloading.address.pids
    with (copy / changed).open("a") as file:
        file.write("\n")
    said = reloading.until("changed: restarting")
    assert said.strip().endswith(f"restarting {', '.join(sorted(concerned))}")
    after = settled(reloading, before, concerned)
    assert {name for name in after if after[name] != before[name]} == concerned


def test_code_that_does_not_run_is_told_and_mending_it_is_enough(
    reloading: Running, copy: Path
) -> None:
    stage = copy / "services" / "edit" / "stage.py"
    whole = stage.read_text()
    stage.write_text(whole + "\nthis is no python\n")
    assert "SyntaxError" in reloading.until("edit ended by itself")
    before = {**reloading.address.pids, "edit": 0}
    stage.write_text(whole)
    reloading.until("stage.py changed: restarting edit")
    assert settled(reloading, before, {"edit"})["edit"]
    reloading.until("edit ready again after")
