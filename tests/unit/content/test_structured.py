"""JSON is found whatever stands around it; a schema asks for every field and no other."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from shared.content.structured import NotJson, json_object, strict_schema


class Inner(BaseModel):
    title: str = Field(default="", max_length=10)


class Outer(BaseModel):
    """A thing."""

    inner: Inner = Inner()
    kind: Literal["a", "b"] = "a"
    many: tuple[Inner, ...] = Field(default=(), min_length=1)


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": {"b": "}"}}',
        'Here it is:\n```json\n{"a": {"b": "}"}}\n```\nI chose a } because...',
        '```\n{"a": {"b": "}"}}\n```\n\n```json\n{"other": 1}\n```',
        'The manifest: {"a": {"b": "}"}} as asked.',
        '~~~json\n{"a": {"b": "}"}}',
    ],
)
def test_the_object_is_found_in_any_wrapping(answer):
    assert json_object(answer) == {"a": {"b": "}"}}


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no json",
        "[1, 2]",
        "{",
        '{"a": ',
        "}{",
        '{"a": 1,}',
        "null",
        '{"a":' * 100_000,
        '{"a": ' + "[" * 200_000 + "}",
        "{" + "x" * 500_000 + "}",
        "```json\nnothing\n```",
        "<html>{</html>",
    ],
)
def test_what_is_no_object_is_said_to_be_none(answer):
    with pytest.raises(NotJson):
        json_object(answer)


@given(st.text(max_size=100))
def test_any_answer_is_an_object_or_a_clear_refusal(answer):
    try:
        found = json_object(answer)
    except NotJson:
        return
    assert isinstance(found, dict)


def test_a_strict_schema_requires_every_field_and_forbids_others():
    schema = strict_schema(Outer)
    inner = schema["$defs"]["Inner"]
    assert schema["required"] == ["inner", "kind", "many"]
    assert schema["additionalProperties"] is inner["additionalProperties"] is False
    assert inner["properties"] == {"title": {"type": "string"}}
    assert schema["properties"]["kind"]["enum"] == ["a", "b"]
    assert "default" not in schema["properties"]["inner"]
