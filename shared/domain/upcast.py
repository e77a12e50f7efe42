"""Stored bytes to today's facts. Old versions are translated at read, one step at a time, never
edited.

A step is written once, when a fact's shape changes, and kept for ever with a stored example of the
version it reads (tests/unit/domain/versions).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from shared.domain.events import FACTS
from shared.errors import Malformed, TooNew

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.domain.events import Fact, PostEvent

type Raw = dict[str, Any]
type Steps = Mapping[tuple[str, int], Callable[[Raw], Raw]]


def _no_redo(raw: Raw) -> Raw:
    return raw | {"redo": None}


def _same_terms(raw: Raw) -> Raw:
    return raw | {"terms": None, "deadline": None}


def _no_budget(raw: Raw) -> Raw:
    config = raw["config"]
    return raw if config is None else raw | {"config": config | {"budget_usd": None}}


def _cap_unsaid(raw: Raw) -> Raw:
    return raw | {"cap_usd": None, "until": None}


def _nothing_reserved(raw: Raw) -> Raw:
    return raw | {"scopes": []}


def _nothing_in_doubt(raw: Raw) -> Raw:
    """The bill of such a failure was taken as told, and stays what it was; each one counted."""
    return raw | {"unconfirmed_usd": 0.0, "counted": True}


UPCASTS: Steps = {
    ("budget-exceeded", 1): _cap_unsaid,
    ("call-failed", 1): _nothing_in_doubt,
    ("call-started", 1): _nothing_reserved,
    ("post-configured", 1): _same_terms,
    ("post-configured", 2): _no_budget,
    ("post-created", 1): _no_budget,
    ("stage-requested", 1): _no_redo,
}
"""(type, version) to the step that lifts it one version."""


def encode(fact: Fact) -> bytes:
    """The fact as it is stored: JSON with every field, so that a changed default changes no
    history."""
    return fact.model_dump_json().encode()


def decode(kind: str, version: int, data: bytes, steps: Steps = UPCASTS) -> PostEvent:
    """The fact stored under this type and version.

    Raises `TooNew` for a type or version this code does not know, `Malformed` for anything else.
    """
    known = FACTS.get(kind)
    if known is None or version > known.VERSION:
        raise TooNew(f"a {kind[:64]!r} of version {version} is newer than this code")
    if version < 1:
        raise Malformed(f"{kind!r} has no version {version}")
    try:
        if version == known.VERSION:
            return cast("PostEvent", known.model_validate_json(data))
        return cast(
            "PostEvent", known.model_validate(_lifted(kind, version, known.VERSION, data, steps))
        )
    except (
        ValidationError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise Malformed(f"not a {kind} of version {version}: {_first_line(error)}") from error


def _lifted(kind: str, version: int, today: int, data: bytes, steps: Steps) -> Raw:
    raw: Raw = json.loads(data)
    if not isinstance(raw, dict):
        raise TypeError("a fact is an object")
    for old in range(version, today):
        raw = steps[kind, old](raw)
    return raw


def _first_line(error: Exception) -> str:
    """What was wrong, without repeating the input."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(word) for word in first["loc"])
        return f"{where[:200]}: {first['msg'][:200]}"
    return type(error).__name__
