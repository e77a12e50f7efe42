"""Each service installs and starts from its own requirements alone, pinned and hashed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/requirements.txt"))
FILES = sorted([*ROOT.glob("services/*/requirements.txt"), *ROOT.glob("requirements*.txt")])
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

PINNED = re.compile(r"^(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[^ ;]+)( ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")
COMMENT = re.compile(r"^    # +(via|-[cr]|[a-z0-9])")


def pins(path: Path) -> dict[str, str]:
    """Name and version of everything a requirements file names."""
    found = map(PINNED.match, path.read_text().splitlines())
    return {match["name"]: match["version"] for match in found if match}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="session")
def uv() -> str:
    return str(Path(sys.executable).with_name("uv"))


@pytest.fixture
def installed(uv: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The Python of a fresh environment with one service's requirements and nothing else."""
    requirements = ROOT / "services" / request.param / "requirements.txt"
    environment = tmp_path / "venv"
    python = environment / "bin" / "python"
    options = ["--quiet", "--require-hashes", "--python", str(python)]
    run([uv, "venv", "--quiet", "--python", sys.executable, str(environment)])
    run([uv, "pip", "sync", *options, str(requirements)])
    return python


def run(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_service_has_requirements_and_an_extra_of_its_own() -> None:
    packages = sorted(path.parent.name for path in ROOT.glob("services/*/__init__.py"))
    assert packages == SERVICES
    assert set(SERVICES) <= EXTRAS.keys()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_requirement_is_pinned_and_hashed(path: Path) -> None:
    lines = path.read_text().splitlines()
    odd = [line for line in lines if not any(p.match(line) for p in (PINNED, HASH, COMMENT))]
    unhashed = [
        line
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if PINNED.match(line) and not HASH.match(after)
    ]
    assert lines
    assert odd == []
    assert unhashed == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_registry_and_no_machine_is_named(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted|@ file|/[a-z]+/[a-z]", text)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_versions_are_those_everything_is_tested_with(path: Path) -> None:
    assert pins(path).items() <= pins(ROOT / "requirements-dev.txt").items()


@pytest.mark.parametrize("service", SERVICES)
def test_the_lock_holds_what_pyproject_asks_for(service: str) -> None:
    asked = {re.split(r"[^\w-]", each)[0] for each in EXTRAS[service]}
    assert asked <= pins(ROOT / "services" / service / "requirements.txt").keys()


def test_research_carries_no_other_services_weight() -> None:
    carried = pins(ROOT / "services/research/requirements.txt").keys()
    assert carried.isdisjoint({"anthropic", "asyncpg", "fastapi", "google-genai", "pillow"})


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("installed", SERVICES, indirect=True)
def test_each_service_imports_from_its_own_requirements_alone(
    installed: Path, request: pytest.FixtureRequest
) -> None:
    package = ROOT / "services" / request.node.callspec.params["installed"]
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in package.rglob("*.py")
    ]
    run([str(installed), "-W", "error", "-c", f"import {', '.join(modules)}"])
