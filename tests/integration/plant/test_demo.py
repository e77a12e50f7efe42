"""`galley demo`: from nothing to a ZIP, or to the reason why there is none."""

from __future__ import annotations

import signal
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.integration.plant.galley import Running, galley, gone

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]
ONCE = ("demo", "--exit", "--instant")


def test_it_leaves_a_zip_here_and_nothing_running(tmp_path: Path) -> None:
    told = galley(*ONCE, "--topic", "How to [red]Train[/red] a Puppy", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("SIMULATED") == 2
    (article,) = tmp_path.glob("*.zip")
    assert f"its images: {article}\n" in told.stdout
    names = zipfile.ZipFile(article).namelist()
    assert sum(name.endswith(".webp") for name in names) == 6
    assert told.stdout.endswith("Stopped.\n")


def test_a_failed_stage_is_told_with_its_cure_and_the_plant_stays_up_for_it(
    tmp_path: Path,
) -> None:
    fault = "Plans [[sim:manifest:invalid_json]]"
    with Running("demo", "--instant", "--topic", fault, cwd=tmp_path) as running:
        running.until("images failed (unusable_manifest)")
        running.until("Once the cause is gone: galley retry ")
        running.until("Galley stays up")
        family = running.family()
        running.signal(signal.SIGINT)
        assert running.end() == 1
    assert gone(family)
    assert not list(tmp_path.glob("*.zip"))


def test_an_interrupted_one_drains_and_says_so(tmp_path: Path) -> None:
    endless = "Forever [[sim:claude:hang]]"
    with Running("demo", "--topic", endless, cwd=tmp_path, GALLEY_DRAIN_S="0.2") as running:
        running.until("Asking claude")
        family = running.family()
        running.signal()
        assert running.end() == 130
    assert "Draining" in running.said
    assert gone(family)


def test_a_topic_the_gateway_refuses_is_one_sentence(tmp_path: Path) -> None:
    told = galley(*ONCE, "--topic", "x" * 501, cwd=tmp_path)
    assert told.returncode == 1
    assert told.stderr == "galley: topic: String should have at most 500 characters\n"
