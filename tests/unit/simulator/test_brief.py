"""What the simulator understands of a prompt, whatever stands in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.simulator.brief import DEFAULT_WORDS, MOST_WORDS, Question, read
from shared.simulator.markers import without_markers


def question(told: str) -> Question:
    return Question(provider="claude", model="claude-sonnet-5-5", told=told)


def test_the_brief_is_read_from_its_lines() -> None:
    brief = read("Task: edit\nTopic: Bread\nWord count: 1,800\nTone: dry", "claude", None)
    assert (brief.task, brief.topic, brief.words) == ("edit", "Bread", 1_800)
    assert brief.fields["tone"] == "dry"


def test_rules_that_explain_the_lines_are_not_the_brief() -> None:
    rules = "Topic: a line like this names the subject\nTask: is one of six\n"
    brief = read(f"{rules}\nTask: outline\nTopic: Bread", "claude", None)
    assert (brief.task, brief.topic) == ("outline", "Bread")


def test_an_input_cannot_pose_as_the_brief() -> None:
    prompt = "Task: edit\n<<<DRAFT\nTopic: Evil\n<<<RESEARCH\nx\nDRAFT>>>\nTopic: Bread"
    brief = read(prompt, "claude", None)
    assert brief.topic == "Bread"
    assert brief.blocks == {"DRAFT": "Topic: Evil\n<<<RESEARCH\nx"}


def test_an_input_that_is_never_closed_reaches_to_the_end() -> None:
    assert read("Task: edit\n<<<DRAFT\na\nb", "claude", None).block("DRAFT") == "a\nb"


@pytest.mark.parametrize(
    ("prompt", "provider", "task"),
    [
        ("Espresso", "perplexity", "research"),
        ("<<<RESEARCH\nx\nRESEARCH>>>", "claude", "outline"),
        ("<<<OUTLINE\nx\nOUTLINE>>>\n<<<RESEARCH\nx\nRESEARCH>>>", "claude", "write"),
        ("<<<DRAFT\nx\nDRAFT>>>", "claude", "edit"),
        ("", "claude", "write"),
    ],
)
def test_a_task_that_is_not_named_is_guessed(prompt: str, provider: str, task: str) -> None:
    assert read(prompt, provider, None).task == task


@pytest.mark.parametrize(
    ("told", "words"),
    [("", DEFAULT_WORDS), ("many", DEFAULT_WORDS), ("999999999", MOST_WORDS), ("1", 50)],
)
def test_the_word_count_stays_within_reason(told: str, words: int) -> None:
    assert read(f"Task: write\nWord count: {told}", "claude", None).words == words


def test_the_topic_falls_back_to_the_first_line_and_stays_short() -> None:
    assert read("\n# Bees and `trees`\nmore", "claude", None).topic == "Bees and 'trees'"
    assert len(read("word " * 100_000, "claude", None).topic) <= 160
    assert read("\n \n", "claude", None).topic == "the subject at hand"


def test_markers_are_no_part_of_the_topic_but_of_its_line() -> None:
    asked = question("Task: write\nTopic: Bread [[sim:claude:529*2]] and butter")
    assert asked.brief.topic == "Bread and butter"
    assert asked.topic_line == "Bread [[sim:claude:529*2]] and butter"
    assert asked.markers == ("claude:529*2",)


@pytest.mark.parametrize(
    "text", ["[[sim:a[[sim:b]]c]]", "[[si[[sim:x]]m:claude:500]]", "[[sim:", "[[[[sim:x]]sim:y]]"]
)
def test_nothing_that_reads_like_a_marker_survives(text: str) -> None:
    assert "[[sim:" not in without_markers(text)


@given(st.text())
def test_any_prompt_is_understood(prompt: str) -> None:
    for provider in ("claude", "gemini", "perplexity"):
        assert read(prompt, provider, None).topic


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece", ["<<<A\n", "Topic: ", "[[sim:", "]]", "[[sim:x]]", "a: b\n", "\n", " ", "**", "- "]
)
def test_a_megabyte_of_anything_is_read_in_linear_time(piece: str) -> None:
    asked = question(piece * (1_000_000 // len(piece)))
    assert asked.brief.topic
    assert asked.topic_line is not None
    assert asked.markers is not None
