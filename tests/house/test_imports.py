"""What the code imports is what `pyproject.toml` asks for: nothing comes along by chance."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"shared", "services", "tests"}
# Part of another library's interface, and versioned by it.
COMES_WITH = {"pydantic_core": "pydantic", "starlette": "fastapi"}


def imported(path: Path) -> set[str]:
    """The top-level names a module imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def declared(extras: set[str]) -> set[str]:
    """The distributions that the project asks for directly."""
    optional = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(each for name in extras for each in optional[name])]
    return {re.split(r"[^\w.-]", each)[0].lower() for each in asked}


def undeclared(packages: tuple[str, ...], extras: set[str]) -> dict[str, set[str]]:
    provided, known = packages_distributions(), declared(extras)
    found: dict[str, set[str]] = {}
    for path in (path for package in packages for path in (ROOT / package).rglob("*.py")):
        for name in imported(path) - OURS - set(sys.stdlib_module_names):
            by = {COMES_WITH.get(name, ""), *map(str.lower, provided.get(name, []))}
            if not by & known:
                found.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_library_the_product_imports_is_asked_for() -> None:
    assert undeclared(("shared", "services"), set(PROJECT["optional-dependencies"])) == {}


def test_every_library_the_tests_import_is_asked_for() -> None:
    assert undeclared(("tests",), set(PROJECT["optional-dependencies"])) == {}
