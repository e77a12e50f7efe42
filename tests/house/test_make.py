"""The front door opens: `make` explains itself, finds a Python or says so, and takes any topic."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TOPICS = [
    "How to Train a Puppy",
    "It's \"quoted\" and 'quoted'",
    "costs $5, $(shell false), ${HOME} and `id`",
    "back\\slash; exit 1 #",
    "50 % off && --exit",
    "größe 木 🐶",
    "",
]


def make(
    *arguments: str, directory: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with the Makefile and a stand-in for what it would install."""
    bin_ = tmp_path / ".venv" / "bin"
    bin_.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (bin_ / "python").symlink_to(sys.executable)
    (bin_ / "galley").write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    (bin_ / "galley").chmod(0o755)
    (tmp_path / ".venv" / ".local").touch()
    return tmp_path


def test_make_alone_explains_every_target() -> None:
    told = make().stdout
    for target in (
        "demo",
        "up",
        "test",
        "check",
        "bench",
        "chaos",
        "drills",
        "simulate",
        "lock",
        "clean",
        "help",
    ):
        assert f"make {target} " in told


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_arrives_as_it_was_written(checkout: Path, topic: str) -> None:
    named = make("demo", f"TOPIC={topic}", "EXIT=1", directory=checkout)
    inherited = make("demo", directory=checkout, TOPIC=topic)
    assert named.stdout == f"<demo><--topic><{topic}><--exit>"
    assert inherited.stdout == f"<demo><--topic><{topic}>"


def test_without_a_suitable_python_it_says_what_is_needed(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    refused = make("up", "PYTHON=/bin/false", directory=checkout)
    assert refused.returncode != 0
    assert (
        "Galley needs Python 3.12 or newer with venv, and /bin/false is not one" in refused.stderr
    )


def test_an_unsuitable_python_on_the_path_is_passed_over(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    path = checkout / "path"
    path.mkdir()
    for name in ("python3.13", "python3.12", "python3.14"):
        (path / name).symlink_to("/bin/false")
    (path / "python3").symlink_to(sys.executable)
    made = make(".venv/bin/python", directory=checkout, PATH=f"{path}:/usr/bin:/bin")
    assert made.returncode == 0, made.stderr
    assert "(python3)" in made.stdout
