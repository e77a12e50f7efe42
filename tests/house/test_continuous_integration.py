"""What must pass before anything lands is what the README names, all of it, and no failure is lost.

The tools are a stand-in that writes down how it was called and fails when it is told to.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >> called
case "$(basename "$0") $*" in *"$FAILS"*) exit 3 ;; esac
"""
STEPS = ("-m ruff format", "-m ruff check", "lint-imports", "pricing", "-m pytest")
"""The types are checked by a test (test_types)."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The real .ci/run and Makefile, in a directory where everything is installed already."""
    tools, ci = tmp_path / ".venv" / "bin", tmp_path / ".ci"
    for folder in (tools, ci):
        folder.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements-dev.txt", ".ci/run"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for name in ("python", "lint-imports"):
        (tools / name).write_text(TOOL)
        (tools / name).chmod(0o755)
    (tmp_path / ".venv" / ".dev").touch()
    return tmp_path


def run(checkout: Path, fails: str = "nothing") -> tuple[int, list[str]]:
    """How .ci/run ended, and which tools it called."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "FAILS": fails}
    ended = subprocess.run(
        ["bash", ".ci/run"], cwd=checkout, env=environment, capture_output=True, check=False
    )
    return ended.returncode, (checkout / "called").read_text().splitlines()


def test_it_can_be_run_and_runs_the_command_that_the_readme_names() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    last = (ROOT / ".ci/run").read_text().splitlines()[-1]
    assert last == "make test"
    assert re.search(rf"^    {last}$", (ROOT / "README.md").read_text(), re.MULTILINE)


def test_it_runs_every_check_and_leaves_out_no_test(checkout: Path) -> None:
    ended, called = run(checkout)
    assert ended == 0
    assert [step for step in STEPS if any(step in call for call in called)] == [*STEPS]
    [tests] = [call for call in called if "-m pytest" in call]
    options = tests.partition("-m pytest ")[2].split()
    assert not {"-m", "-k", "--deselect", "--ignore", "--lf", "--exitfirst"} & set(options)
    assert not [word for word in options if "tests" in word]


@pytest.mark.parametrize("step", STEPS)
def test_a_check_that_fails_fails_it(checkout: Path, step: str) -> None:
    ended, called = run(checkout, step)
    assert ended != 0
    assert step in called[-1]
