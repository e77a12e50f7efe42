"""Writes what the tests of old facts rest on, for versions that have none yet; never overwrites.

Run from the root of the project: `python -m tests.unit.domain.versions.write_examples`.
"""

from __future__ import annotations

import json
from enum import Enum
from itertools import count
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeAliasType,
    Union,
    get_args,
    get_origin,
)
from uuid import UUID

from pydantic import AwareDatetime, BaseModel

from shared.domain.events import FACTS, Fact
from shared.domain.subjects import MAIN, PostRef, subject_of
from shared.domain.upcast import encode
from shared.testing import NOW, POST
from tests.unit.domain.test_upcast import VERSIONS, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def main() -> None:
    """An example, its meaning, its place and its shape for every version of today."""
    books: dict[str, dict[str, Any]] = {
        name: _open(VERSIONS / name) for name in ("meanings.json", "places.json", "shapes.json")
    }
    for kind, model in sorted(FACTS.items()):
        name = f"{kind}.v{model.VERSION}"
        path = VERSIONS / f"{name}.json"
        if path.exists():
            continue
        example = fullest(model)
        path.write_bytes(encode(example))
        books["meanings.json"][name] = json.loads(encode(example))
        books["meanings.json"][name + ":class"] = model.__name__
        books["places.json"][name] = subject_of(PostRef(MAIN, POST), example, 5)
        books["shapes.json"][name] = shape_of(model)
    for name, content in books.items():
        told = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
        (VERSIONS / name).write_text(told + "\n", encoding="utf-8")


def _open(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def fullest[M: BaseModel](model: type[M]) -> M:
    """An instance with something to say in every field, and no two numbers alike."""
    numbers = count(2)
    values = {
        name: _value(name, field.annotation, numbers) for name, field in model.model_fields.items()
    }
    if issubclass(model, Fact):
        values |= {"post_id": POST}
    return model(**values)


def _value(name: str, wanted: Any, numbers: Iterator[int]) -> Any:
    if isinstance(wanted, TypeAliasType):
        return _value(name, wanted.__value__, numbers)
    if wanted is str:
        return name if name == "key" else f"{name} — «é» 😀"
    if wanted is bool:
        return True
    if wanted is int:
        return next(numbers)
    if wanted is float:
        return next(numbers) + 0.125
    if wanted is UUID:
        return UUID(int=next(numbers))
    if wanted is AwareDatetime or wanted is type(NOW):
        return NOW
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return list(wanted)[-1]
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        return fullest(wanted)
    return _composed(name, get_origin(wanted), get_args(wanted), numbers)


def _composed(name: str, origin: object, parts: tuple[Any, ...], numbers: Iterator[int]) -> Any:
    if origin is Literal:
        return parts[-1]
    if origin in (Union, UnionType, Annotated):
        return _value(name, parts[0], numbers)
    if origin is tuple:
        return (_value(name, parts[0], numbers),)
    if origin is dict:
        return {_value(name, parts[0], numbers): _value(name, parts[1], numbers)}
    raise TypeError(f"no example for {origin}[{parts}]")


if __name__ == "__main__":
    main()
