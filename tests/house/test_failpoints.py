"""The table of failpoints and the code agree: every place is passed somewhere, and has a name."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from shared.failpoints import PLACES

ROOT = Path(__file__).parents[2]
BY_NAME = {"reached", "armed"}


def named_in(path: Path) -> Counter[str]:
    """What a module hands to the functions of shared/failpoints.py; anything but a literal is an
    empty name."""
    names: Counter[str] = Counter()
    source = path.read_text()
    for node in ast.walk(ast.parse(source)) if "failpoints" in source else ():
        if isinstance(node, ast.Call) and _called(node.func) in BY_NAME:
            told = node.args[0] if node.args else None
            names[str(told.value) if isinstance(told, ast.Constant) else ""] += 1
    return names


def _called(function: ast.expr) -> str:
    """The name of a plain function, or of one of the module `failpoints`; a method has none."""
    if isinstance(function, ast.Attribute):
        ours = isinstance(function.value, ast.Name) and function.value.id == "failpoints"
        return function.attr if ours else ""
    return function.id if isinstance(function, ast.Name) else ""


def test_every_failpoint_of_the_table_is_passed_somewhere_and_no_other() -> None:
    sources = (path for top in ("shared", "services") for path in (ROOT / top).rglob("*.py"))
    named = sum(map(named_in, sources), Counter[str]())
    assert set(named) == set(PLACES)
