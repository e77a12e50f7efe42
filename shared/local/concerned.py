"""Which processes a changed file concerns: those whose code imports it, directly or further down.

Imports that only the type checker sees do not count.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
"""Where the packages `services` and `shared` are."""
OURS = ("services", "shared")
ENTRIES = {"simulator": "shared.local.simulator"}
"""What runs as a process without being a service."""
BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)


def watched() -> tuple[Path, ...]:
    """The folders in which a change may concern somebody."""
    return tuple(ROOT / name for name in OURS)


def concerned(changed: Iterable[Path], names: Iterable[str]) -> set[str]:
    """Those of `names`, services and the simulator, to restart after these files changed."""
    _imported.cache_clear()
    paths = {path.resolve() for path in changed}
    return {name for name in names if _touches(name, paths)}


def _touches(name: str, paths: set[Path]) -> bool:
    """A service's own folder belongs to it whole (prompts, SQL, pages), the rest by import."""
    folder = ROOT / "services" / name
    return any(path.is_relative_to(folder) for path in paths) or bool(paths & _needed(name))


def _needed(name: str) -> set[Path]:
    """Every file of ours that the process loads, and the tables (JSON) that lie beside them."""
    seen: set[Path] = set()
    waiting = list(_files(ENTRIES.get(name, f"services.{name}.__main__")))
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_imported(path))
    folders = {path.parent for path in seen}
    return seen | {table for folder in folders for table in folder.glob("*.json")}


@cache
def _imported(path: Path) -> frozenset[Path]:
    """The files that one file imports. Remembered for one question only: files come and go."""
    try:
        modules = _modules(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return frozenset()
    return frozenset(file for module in modules for file in _files(module))


def _files(module: str) -> Iterator[Path]:
    """The file of a module and of the packages it stands in; none for what is not ours."""
    words = module.split(".")
    for count in range(1, len(words) + 1):
        base = ROOT.joinpath(*words[:count])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                yield path


@cache
def _modules(path: Path, _as_of: int) -> frozenset[str]:
    """Every module of ours that a file imports; of a file in the middle of an edit, none."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return frozenset()
    named = {name for node in _statements(tree) for name in _names(node)}
    return frozenset(name for name in named if name.split(".")[0] in OURS)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement that may run, in functions too."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(child for child in _inner(node) if isinstance(child, BLOCKS))


def _inner(node: ast.AST) -> Iterable[ast.AST]:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return node.orelse
        case _:
            return ast.iter_child_nodes(node)


def _names(node: ast.AST) -> Sequence[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    return ()
