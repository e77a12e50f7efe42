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


def watched() -> tuple[Path, ...]:
    """The folders in which a change may concern somebody."""
    return tuple(ROOT / name for name in OURS)


def concerned(changed: Iterable[Path], names: Iterable[str]) -> set[str]:
    """Those of `names`, services and the simulator, to restart after these files changed."""
    _imports.cache_clear()
    paths = {path.resolve() for path in changed}
    return {name for name in names if _touches(name, paths)}


def _touches(name: str, paths: set[Path]) -> bool:
    """A service's own folder belongs to it whole (prompts, SQL, pages), the rest by import."""
    folder = ROOT / "services" / name
    return any(path.is_relative_to(folder) for path in paths) or bool(paths & _needed(name))


def _needed(name: str) -> set[Path]:
    """Every file of ours that the process loads, and the tables (JSON) that lie beside them."""
    seen: set[Path] = set()
    waiting = [ENTRIES.get(name, f"services.{name}.__main__")]
    while waiting:
        for path in _files(waiting.pop()):
            if path not in seen:
                seen.add(path)
                waiting.extend(_imports(path))
    return seen | {data for path in seen for data in path.parent.glob("*.json")}


def _files(module: str) -> Iterator[Path]:
    """The file of a module and of the packages it stands in; none for what is not ours."""
    words = module.split(".")
    for count in range(1, len(words) + 1):
        base = ROOT.joinpath(*words[:count])
        for path in (base.with_suffix(".py"), base / "__init__.py"):
            if path.is_file():
                yield path.resolve()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Every module of ours that a file imports; of a file in the middle of an edit, none."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, FileNotFoundError):
        return ()
    named = (name for node in _executed(tree) for name in _modules(node))
    return tuple(name for name in named if name.split(".")[0] in OURS)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs, in functions too."""
    yield node
    for child in _children(node):
        yield from _executed(child)


def _children(node: ast.AST) -> Iterable[ast.AST]:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return node.orelse
    return ast.iter_child_nodes(node)


def _modules(node: ast.AST) -> Sequence[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
    return ()
