"""What is installed is complete: code, types, and the data files the code reads."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = {".pyc"}


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The files of a wheel, built from what is here without fetching anything."""
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(zipfile.ZipFile(next(target.glob("*.whl"))).namelist())


@pytest.mark.slow
def test_every_file_of_every_package_is_installed(packaged: set[str]) -> None:
    here = {
        str(path.relative_to(ROOT))
        for package in ("shared", "services")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in LEFT_OUT
    }
    assert here <= packaged


@pytest.mark.slow
def test_nothing_else_is_installed(packaged: set[str]) -> None:
    assert {name.partition("/")[0] for name in packaged} <= {
        "shared",
        "services",
        "galley-0.1.0.dist-info",
    }
