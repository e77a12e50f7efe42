"""The rules that ship: complete, of a readable length, and in nobody's way."""

from __future__ import annotations

from importlib.resources import files

import pytest

from shared.content.article import title_of
from shared.domain.values import ORDER


@pytest.mark.parametrize("stage", ORDER)
def test_each_stage_ships_rules_one_can_read(stage):
    rules = files(f"services.{stage.value}").joinpath("prompt.md").read_text("utf-8")
    assert title_of(rules) == stage.value.capitalize()
    assert 60 <= rules.count("\n") <= 150
    assert "Never" in rules or "Nothing else" in rules


@pytest.mark.parametrize("stage", ORDER)
def test_no_rule_looks_like_a_line_of_the_request_or_an_input(stage):
    rules = files(f"services.{stage.value}").joinpath("prompt.md").read_text("utf-8")
    assert not any(
        line.startswith(("Task:", "Topic:", "Word count:")) for line in rules.split("\n")
    )
    assert "<<<" not in rules
    assert "—" not in rules
