"""One event is one line, and no line holds a secret, whatever it is told."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Literal

import pytest
import structlog

from shared import logs
from shared.testing.access import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

FORGED = 'a\r\n\x1b[31m{"event": "forged"}\u2028\u202e\u061c\u200f\ufeff\x85\0\ud800b'


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def events(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(capsys)]


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_no_text_can_forge_or_hide_a_line(
    capsys: pytest.CaptureFixture[str], fmt: Literal["json", "console"]
) -> None:
    logs.configure("write", fmt)
    structlog.get_logger().info(FORGED, topic=FORGED, deep={"list": [FORGED]}, **{FORGED: 1})
    logging.getLogger("some.library").warning("%s", FORGED)
    told = capsys.readouterr().out
    assert told.count("\n") == 2
    assert not any(
        character in told for character in "\r\x1b\u2028\u202e\u061c\u200f\ufeff\x85\0\ud800"
    )
    assert told.replace("\n", "").isprintable()


def test_a_line_names_its_event_service_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("write")
    structlog.get_logger().warning("stage.retry", attempt=2)
    (line,) = events(capsys)
    assert line["timestamp"].endswith("Z")
    assert {name: line[name] for name in ("event", "service", "level", "attempt")} == {
        "event": "stage.retry",
        "service": "write",
        "level": "warning",
        "attempt": 2,
    }


def test_what_is_named_like_a_secret_is_not_shown_but_counts_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("write")
    structlog.get_logger().info(
        "x",
        api_key="abc",
        Password="abc",
        tokens_in=7,
        headers={"Authorization": "Bearer abc", "x-goog-api-key": ["abc"]},
        token=b"abc",
    )
    (line,) = events(capsys)
    assert "abc" not in json.dumps(line)
    assert line["tokens_in"] == 7


def test_a_known_secret_is_cut_out_of_any_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("write", secrets=["canary-1", "", "x"])
    try:
        int("canary-1")
    except ValueError:
        structlog.get_logger().exception("boom canary-1", deep=[{"a": ("canary-1",)}])
    logging.getLogger("library").error("says canary-1")
    told = capsys.readouterr().out
    assert "canary-1" not in told
    assert "ValueError" in told
    assert len(told.splitlines()) == 2


def test_what_is_no_json_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd canary"

    logs.configure("write", secrets=["canary"])
    structlog.get_logger().info("x", odd=Odd(), items={1})
    (line,) = events(capsys)
    assert line["odd"] == "odd [redacted]"
    assert line["items"] == [1]


def test_libraries_are_heard_only_when_something_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("write")
    logging.getLogger("library").info("chatter")
    logging.getLogger("library").warning("trouble")
    assert [line["event"] for line in events(capsys)] == ["trouble"]


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_a_key_of_ours_is_in_no_line_whoever_sent_it(
    capsys: pytest.CaptureFixture[str], fmt: Literal["json", "console"]
) -> None:
    logs.configure("gateway", fmt)
    said = f"Bearer {KEY}"
    structlog.get_logger().warning(f"why {said}", url=f"/x?k={KEY}", deep=[{said: said}], raw=KEY)
    logging.getLogger("uvicorn").error("%s", said)
    structlog.get_logger().error("failed", exc_info=ValueError(said))
    told = capsys.readouterr().out
    assert told.count("[redacted]") >= 5
    assert KEY.secret not in told
