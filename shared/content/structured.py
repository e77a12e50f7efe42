"""JSON from a model, wrapped or not, and the strict schemas that ask for it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

# Bounds and defaults are ours to check: structured output refuses or ignores them.
_UNSENT = re.compile(
    r"title|default|format|pattern|(?:min|max)(?:imum|Length|Items)|exclusive(?:Min|Max)imum"
)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n", re.MULTILINE)
_LONGEST = 400_000


class NotJson(ValueError):
    """The answer holds no JSON object; the message says what is wrong with it."""


def json_object(answer: str) -> dict[str, Any]:
    """The JSON object in an answer: the whole, its first code block, or its outermost braces."""
    text = answer.strip()
    if len(text) > _LONGEST:
        raise NotJson(f"the answer is {len(text):,} characters long")
    inside = text if text.startswith("{") else _first_block(text)
    start, end = inside.find("{"), inside.rfind("}")
    if start < 0 or end < start:
        raise NotJson("the answer holds no complete JSON object")
    return _loaded(inside[start : end + 1])


def _first_block(text: str) -> str:
    opened = _FENCE.search(text)
    if opened is None:
        return text
    block, _, _ = text[opened.end() :].partition(f"\n{opened[1]}")
    return block if "{" in block else text


def _loaded(text: str) -> dict[str, Any]:
    try:
        loaded = json.loads(text)
    except ValueError as error:
        raise NotJson(f"the JSON is broken: {error}") from error
    except RecursionError as error:
        raise NotJson("the JSON is nested too deep") from error
    return dict(loaded)


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON schema as structured output wants it: every field required, no others."""
    return dict(_strict(model.model_json_schema()))


def _strict(node: Any) -> Any:  # noqa: ANN401  (a JSON schema is any JSON)
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _part(key, value) for key, value in node.items() if not _UNSENT.fullmatch(key)}
    if "properties" in kept:
        kept |= {"required": list(kept["properties"]), "additionalProperties": False}
    return kept


def _part(key: str, value: Any) -> Any:  # noqa: ANN401
    """One part of a schema; the names in these two maps are names, not words of the language."""
    if key in ("properties", "$defs"):
        return {name: _strict(schema) for name, schema in value.items()}
    return _strict(value)
