"""Which services a changed file concerns: those whose code imports it, directly or further down."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parent.parent.parent
"""Where the packages `services` and `shared` are."""


def watched() -> tuple[Path, ...]:
    return ROOT / "services", ROOT / "shared"


def concerned(changed: Iterable[Path], services: Iterable[str]) -> set[str]:
    """The services to restart after these files changed."""
    _imports.cache_clear()
    paths = {path.resolve() for path in changed}
    return {service for service in services if _touches(service, paths)}


def _touches(service: str, paths: set[Path]) -> bool:
    """A service's own folder belongs to it whole (prompts, SQL, pages), the rest by import."""
    folder = ROOT / "services" / service
    return any(path.is_relative_to(folder) for path in paths) or bool(paths & _needed(service))


def _needed(service: str) -> set[Path]:
    seen: set[Path] = set()
    waiting = [f"services.{service}.__main__"]
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
    """Every module of ours that a file names in an import; a file in the middle of an edit,
    none."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return ()
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{each.name}" for each in node.names]
    return tuple(name for name in found if name.split(".")[0] in ("services", "shared"))
