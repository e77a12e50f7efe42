"""Which fault a call suffers, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from shared.simulator.brief import Question
from shared.simulator.faults import KNOWN, BadFault, Fault, Faults, Rule, parse

SCHEMA = {"type": "object", "properties": {}}


def question(topic: str, task: str = "write", schema: dict[str, Any] | None = None) -> Question:
    return Question(
        provider="claude", model="m", told=f"Task: {task}\nTopic: {topic}", schema=schema
    )


def struck(faults: Faults, asked: Question, times: int = 3) -> list[str]:
    found = [faults.choose(asked) for _ in range(times)]
    return [fault.name if fault else "" for fault in found]


def test_every_known_fault_can_be_written_as_a_marker() -> None:
    for aim, names in KNOWN.items():
        for name in names:
            assert parse(aim, name) == Fault(name)
    assert parse("claude", "429:2*3") == Fault("429", "2", 3)
    assert parse("claude", "err_event:rate_limit_error*1").arg == "rate_limit_error"


@pytest.mark.parametrize(
    ("aim", "spec"),
    [
        ("claude", ""),
        ("claude", "what"),
        ("claude", "399"),
        ("claude", "600"),
        ("claude", "²"),
        ("claude", "delay:soon"),
        ("claude", "delay:-1"),
        ("claude", "hang:1e9"),
        ("claude", "huge:x"),
        ("claude", "529*"),
        ("gemini", "invalid_json"),
        ("nobody", "500"),
    ],
)
def test_what_names_no_fault_is_refused(aim: str, spec: str) -> None:
    with pytest.raises(BadFault):
        parse(aim, spec)


def test_a_counted_marker_counts_over_all_stages_of_its_topic() -> None:
    faults = Faults()
    topic = "Bread [[sim:claude:529*2]]"
    assert struck(faults, question(topic, "outline"), 1) == ["529"]
    assert struck(faults, question(topic, "edit"), 2) == ["529", ""]


def test_a_marker_strikes_its_provider_only() -> None:
    asked = question("Bread [[sim:perplexity:500]]")
    assert struck(Faults(), asked) == ["", "", ""]


def test_the_manifest_is_the_call_with_a_schema_but_not_that_of_ready() -> None:
    topic = "Bread [[sim:manifest:invalid_json]]"
    assert struck(Faults(), question(topic, "images", schema=SCHEMA), 1) == ["invalid_json"]
    assert struck(Faults(), question(topic, "ready", schema=SCHEMA), 1) == [""]
    assert struck(Faults(), question(topic, "write"), 1) == [""]


def test_a_picture_inherits_the_marker_of_the_longest_topic_it_names() -> None:
    faults = Faults()
    struck(faults, question("Bread [[sim:gemini:500]]"))
    struck(faults, question("Bread and butter [[sim:gemini:503]]"))
    drawn = Question(provider="gemini", model="m", told="A picture of Bread and butter.")
    assert struck(faults, drawn, 1) == ["503"]
    other = Question(provider="gemini", model="m", told="A picture of tea.")
    assert struck(faults, other, 1) == [""]


def test_remembered_topics_are_bounded() -> None:
    faults = Faults(topics_kept=2)
    for topic in ("Bread", "Cheese", "Olives"):
        struck(faults, question(f"{topic} [[sim:gemini:500]]"))
    drawn = Question(provider="gemini", model="m", told="A picture of Bread")
    assert struck(faults, drawn, 1) == [""]


def test_rules_count_for_each_model_and_survive_no_clearing() -> None:
    faults = Faults()
    faults.add(Rule(provider="claude", fault="500*1"))
    assert struck(faults, question("Bread")) == ["500", "", ""]
    faults.clear()
    faults.add(Rule(provider="claude", fault="502*1"))
    assert struck(faults, question("Bread")) == ["502", "", ""]
