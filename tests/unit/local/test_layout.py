"""A data directory keeps its secrets and tells where its plant is; what is broken is named."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from shared.errors import Misconfigured
from shared.local.environment import PROVIDERS, Environment, chosen_keys
from shared.local.layout import Address, Layout
from shared.local.plant import check_free
from shared.local.starting import last_line, plainly

if TYPE_CHECKING:
    from pathlib import Path

EVERY = frozenset(PROVIDERS)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def address(pid: int) -> Address:
    return Address(
        gateway="http://127.0.0.1:1",
        simulator="",
        simulated=("claude",),
        pid=pid,
        pids={"write": 3},
        health={"write": 4},
    )


def test_passwords_are_drawn_once_and_are_their_owners_alone(layout: Layout) -> None:
    drawn = layout.passwords(["admin", "write"])
    assert len(set(drawn.values())) == 2
    assert layout.passwords(["admin", "write"]) == drawn
    assert layout.passwords(["admin", "write", "edit"]).items() > drawn.items()
    (kept,) = layout.root.iterdir()
    assert kept.stat().st_mode & 0o077 == 0


def test_passwords_that_cannot_be_read_are_named(layout: Layout) -> None:
    (layout.root / "nats-users.json").write_text("{")
    with pytest.raises(Misconfigured, match=r"nats-users\.json cannot be read"):
        layout.passwords(["admin"])


def test_an_address_is_read_as_it_was_written(layout: Layout) -> None:
    address(os.getpid()).write(layout)
    assert Address.read(layout) == address(os.getpid()) == Address.running(layout)


def test_the_address_of_a_plant_that_is_gone_is_no_running_one(layout: Layout) -> None:
    address(2**22 + 1).write(layout)
    assert Address.running(layout) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"gateway": 1}'])
def test_an_address_that_is_none_is_named(layout: Layout, text: str) -> None:
    layout.address.write_text(text)
    with pytest.raises(Misconfigured, match="is no plant's address"):
        Address.read(layout)
    assert Address.running(layout) is None


def test_the_first_missing_key_is_named() -> None:
    with pytest.raises(Misconfigured, match=r"GEMINI_API_KEY is not set.*--simulate gemini"):
        chosen_keys(frozenset({"perplexity"}), {"ANTHROPIC_API_KEY": "k", "GEMINI_API_KEY": " "})


def test_our_own_name_of_a_key_goes_before_the_usual_one() -> None:
    environ = {"GALLEY_CLAUDE_API_KEY": "ours", "ANTHROPIC_API_KEY": "usual"}
    assert chosen_keys(EVERY - {"claude"}, environ) == {"claude": "ours"}


def test_a_key_is_told_to_those_who_call_its_provider_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GALLEY_CLAUDE_API_KEY", "secret")
    monkeypatch.setenv("GALLEY_CONCURRENCY", "7")
    environment = Environment(
        nats="nats://",
        passwords={"research": "p", "write": "p"},
        dsn="",
        simulator="http://sim",
        first_key="galley_key",
        keys={"claude": "secret"},
        extra={},
    )
    assert "secret" not in environment.of("research", 1).values()
    assert environment.of("write", 1)["GALLEY_CLAUDE_API_KEY"] == "secret"
    assert environment.of("research", 1)["GALLEY_CONCURRENCY"] == "7"
    assert environment.of("research", 1)["GALLEY_SIMULATED"] == "gemini,perplexity"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("galley: no key", "no key"),
        ("ValueError: no", "ValueError: no"),
        ('{"event": "it.failed", "error": "why"}', "it.failed why"),
        (
            '{"event": "it.failed", "exception": "Traceback\\n  ValueError: no"}',
            "it.failed ValueError: no",
        ),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_a_line_of_output_is_told_plainly(line: str, said: str) -> None:
    assert plainly(line) == said


def test_the_last_line_of_a_log_is_one_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert last_line(log) == ""
    log.write_bytes(b"x" * 100_000 + b"\nlast \xff words\n\n \n")
    assert last_line(log) == "last \ufffd words"


def test_any_free_port_can_be_used() -> None:
    check_free(0)
