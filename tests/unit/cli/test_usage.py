"""What is wrong with a command or a setting is said in one sentence, before anything happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.cli.app import outcome
from shared.cli.options import BEGIN, OPERATE, POSTS, PRESS, STEER, TERMS
from shared.cli.posts import gates, topic_of
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from pathlib import Path

AWAY = ("--url", "http://127.0.0.1:9")
KEYS = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "PERPLEXITY_API_KEY")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*KEYS, "GALLEY_URL", "GALLEY_NATS_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("post", " \n "), 2, "the topic is empty"),
        (("demo", "--topic", ""), 2, "the topic is empty"),
        (("post", "\udcff"), 2, "the topic is no valid text"),
        (("post", "x", "--gate", "outline=banana"), 2, "'outline=banana' is no gate"),
        (("post", "x", "--gate", "outline"), 2, "say STAGE=MODE"),
        (("post",), 2, "Missing argument 'TOPIC'"),
        (("post", "x", "--words", "many"), 2, "Invalid value for '--words'"),
        (("up", "--port", "99999"), 2, "Invalid value for '--port'"),
        (("backup", "b.zip"), 2, "no plant runs on"),
        (("restore", "b.zip"), 2, "b.zip cannot be read: No such file or directory"),
        (("restore", "b.zip", "--check"), 2, "b.zip cannot be read: No such file or directory"),
        (("backup", "b.zip", "--server"), 2, "GALLEY_NATS_URL is not set"),
        (("frobnicate",), 2, "No such command 'frobnicate'"),
        (("show", "x", "--url", "nowhere"), 2, "'nowhere' is no address"),
        (("show", "x", "--url", "http://[oops"), 2, "is no address"),
        (("show", "x", "--url", "http://127.0.0.1:9"), 4, "no gateway answers at"),
        (("show", "x"), 2, "start one with `galley up`"),
        (("approve", "x"), 2, "Missing argument 'STAGE'"),
        (("approve", "x", "end", *AWAY), 2, "there is no stage 'end'"),
        (("approve", "x", "edit", "--edited", "no.md", *AWAY), 2, "no.md cannot be read"),
        (("reject", "x", "edit", *AWAY), 2, "Missing option '--note'"),
        (("rerun", "x", "end", *AWAY), 2, "there is no stage 'end'"),
        (("edit", "x", *AWAY), 2, "say what to change: FIELD=VALUE with topic, "),
        (("edit", "x", "tpoic=y", *AWAY), 2, "there is no field 'tpoic'; there are topic, "),
        (("edit", "x", "topic", *AWAY), 2, "'topic' says nothing: say FIELD=VALUE"),
        (("edit", "x", "--output", "images=a", *AWAY), 2, "'images' makes no text"),
        (("edit", "x", "--output", "write=no.md", *AWAY), 2, "no.md cannot be read"),
        (("edit", "x", "--model", "end=m", *AWAY), 2, "there is no stage 'end'"),
        (("edit", "x", "--model", "write", *AWAY), 2, "say STAGE=MODEL"),
        (("edit", "x", "tone=Dry", *AWAY), 4, "no gateway answers at"),
        (("delete", "x", *AWAY), 2, "nobody can be asked here: say --yes"),
        (("batch", "no.csv", *AWAY), 2, "no.csv cannot be read"),
        (("batch", "-", "--follow", "--json", *AWAY), 2, "say one of them"),
        (("queue", *AWAY), 4, "no gateway answers at"),
        (("queue", "--watch", "--json", *AWAY), 2, "say one of them"),
        (("dead", "retry"), 2, "Missing argument 'POST'"),
        (("profiles", "set", "x", "slug=y", *AWAY), 2, "there is no field 'slug'"),
        (("rules", "show", "end", *AWAY), 2, "there is no stage 'end'"),
        (("rules", "restore", "write", "old", *AWAY), 2, "'old' is no version"),
        (("costs", "--by", "moon", *AWAY), 2, "'moon' is not one of 'stage'"),
        (("costs", "--days", "0", *AWAY), 2, "Invalid value for '--days'"),
        (("run", "nothing"), 2, "there is no service 'nothing'"),
        (("topology",), 2, "GALLEY_NATS_URL is not set"),
        (("up", "--live", "--simulate", "magic"), 2, "magic cannot be simulated"),
        (("up", "--live"), 2, "ANTHROPIC_API_KEY is not set"),
    ],
)
def test_every_error_is_one_sentence(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    assert outcome(arguments) == code
    told = capsys.readouterr().err
    assert told.startswith("galley: ")
    assert sentence in told
    assert told.count("\n") == 1


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["--help"]) == 0
    assert "demo" in capsys.readouterr().out


def test_the_help_leads_from_the_first_step_to_the_operators(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome(["--help"])
    told = capsys.readouterr().out
    panels = (BEGIN, POSTS, STEER, PRESS, TERMS, OPERATE)
    places = [told.index(panel) for panel in panels]
    assert places == sorted(places)
    assert "─ Commands ─" not in told


@pytest.mark.parametrize("group", ["dead", "profiles", "settings", "rules"])
def test_a_group_by_itself_shows_its_help(capsys: pytest.CaptureFixture[str], group: str) -> None:
    assert outcome([group]) == 2
    told = capsys.readouterr()
    assert "Commands" in told.out
    assert told.err == ""


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome([]) == 2
    told = capsys.readouterr()
    assert "demo" in told.out
    assert told.err == ""


def test_gates_are_parsed_and_may_be_repeated() -> None:
    asked = ["outline=review", "write=approve_only", "outline=review"]
    assert gates(asked) == {"outline": "review", "write": "approve_only"}


def test_two_gates_on_one_stage_are_refused() -> None:
    with pytest.raises(Misconfigured, match="outline has two gates, review and auto"):
        gates(["outline=review", "outline=auto"])


def test_a_topic_is_one_line() -> None:
    assert topic_of("  How to\n\ttrain  a puppy ") == "How to train a puppy"


def test_the_doctor_gives_a_cure_for_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(["doctor"]) == 1
    assert "no plant runs on galley-data: start one with `galley up`" in capsys.readouterr().out
