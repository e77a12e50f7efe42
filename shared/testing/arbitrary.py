"""Any fact at all: every class is built from its own declaration, hostile text included.

These facts are well formed but need not make sense together; lawful histories are in `histories`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeAliasType,
    Union,
    cast,
    get_args,
    get_origin,
)
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel

from shared.domain.events import FACTS, Fact
from shared.domain.subjects import CALL_KEY

if TYPE_CHECKING:
    from shared.domain.events import PostEvent

HOSTILE = (
    "",
    "\x00",
    "posts.main.>",
    "a.b*c >",
    "\u202eright to left\u2028",
    "😀 é e\u0301",
    "</script><script>alert(1)</script>",
    "'; drop table posts; --",
    '{"type": "post-deleted"}',
    "[[sim:claude:529]]",
    "%s %n {0} ${x}",
    "\r\n\r\nHTTP/1.1 200 OK",
    "x" * 3000,
)
texts: st.SearchStrategy[str] = st.text(max_size=20) | st.sampled_from(HOSTILE)
times: st.SearchStrategy[datetime] = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001  the zone is drawn separately
    max_value=datetime(2099, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
_PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(0, 2**53),
    float: st.floats(0, 1e9),
    bool: st.booleans(),
    UUID: st.uuids(),
    datetime: times,
    AwareDatetime: times,
    NoneType: st.none(),
}
_KEYS = st.from_regex(CALL_KEY, fullmatch=True).filter(lambda key: key != "delivery")


@cache
def instances_of[M: BaseModel](model: type[M]) -> st.SearchStrategy[M]:
    """Instances of a model, each field drawn from what its annotation allows."""
    return st.builds(model, **{name: _field(model, name) for name in model.model_fields})


def facts(kind: str | None = None) -> st.SearchStrategy[PostEvent]:
    """Facts of this type, or of every type."""
    kinds = sorted(FACTS) if kind is None else [kind]
    drawn = st.one_of([instances_of(FACTS[each]) for each in kinds])
    return cast("st.SearchStrategy[PostEvent]", drawn)


def _field(model: type[BaseModel], name: str) -> st.SearchStrategy[Any]:
    if name == "key" and issubclass(model, Fact):
        return _KEYS
    return _drawn(model.model_fields[name].annotation)


def _drawn(annotation: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401  annotations are anything
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    if isinstance(annotation, TypeAliasType):
        return _drawn(annotation.__value__)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return instances_of(annotation)
    return _composed(get_origin(annotation), get_args(annotation))


def _composed(origin: object, parts: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin is Literal:
        return st.sampled_from(parts)
    if origin is Annotated:
        return _drawn(parts[0])
    if origin in (Union, UnionType):
        return st.one_of([_drawn(part) for part in parts])
    if origin is tuple:
        return st.lists(_drawn(parts[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(_drawn(parts[0]), _drawn(parts[1]), max_size=3)
    raise TypeError(f"no strategy for {origin}[{parts}]")
