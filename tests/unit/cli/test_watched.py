"""What a watcher of a post sees: each line once, the newest draft, true figures, harmless text."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from shared.cli.terminal import one_line, say
from shared.cli.watched import Draft, Watched, picture
from shared.client import Event
from shared.domain.values import ORDER


def entry(seq: int, name: str, stage: str, message: str = "told", **data: Any) -> dict[str, Any]:
    level = data.pop("level", "info")
    told = {"seq": seq, "event": name, "stage": stage, "message": message, "level": level}
    return {**told, "data": data}


def event(seq: int, name: str, stage: str, message: str = "told", **data: Any) -> Event:
    return Event(name, str(seq), entry(seq, name, stage, message, **data))


def snapshot(*entries: dict[str, Any], paid: float = 0.0, **status: str) -> Event:
    post = {
        "execution_logs": list(entries),
        "stage_status": {stage: status.get(stage, "pending") for stage in ORDER},
        "stage_logs": {},
        "ledger": {"settled_usd": paid},
    }
    return Event("snapshot", "9", post)


def shown(watched: Watched, now: float = 0.0, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(picture(watched, now))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_stage_runs_completes_and_shows_what_it_took() -> None:
    watched = Watched()
    watched.take(event(1, "stage_start", "write"), now=10.0)
    assert "7 s" in shown(watched, now=17.0)
    watched.take(event(2, "stage_complete", "write", duration_s=8.25, cost_usd=0.0402), now=18.0)
    assert "8.2 s  $0.0402" in shown(watched)


def test_a_snapshot_after_a_broken_stream_repeats_no_line() -> None:
    watched = Watched()
    first, second = entry(1, "stage_start", "write"), entry(2, "log", "write", "new")
    assert len(watched.take(Event("stage_start", "1", first), 0.0)) == 1
    assert [line.plain for line in watched.take(snapshot(first, second), 0.0)] == ["write    new"]


def test_a_snapshot_tells_the_state_and_the_bill() -> None:
    watched = Watched()
    watched.take(snapshot(paid=0.25, research="complete", write="failed"), 0.0)
    assert watched.status["write"] == "failed"
    assert "Paid so far: $0.2500" in shown(watched)


def test_a_reset_forgets_everything() -> None:
    watched = Watched()
    watched.take(event(50, "stage_complete", "write", cost_usd=1.0), 0.0)
    watched.take(Event("reset", "3", {}), 0.0)
    assert watched.take(event(1, "stage_start", "research"), 0.0)
    assert watched.status["write"] == "pending"


def test_images_are_counted_and_counted_anew_when_the_stage_runs_again() -> None:
    watched = Watched()
    watched.take(event(1, "stage_start", "images"), 0.0)
    for seq, name in enumerate(("image_generated", "image_generated", "image_failed"), 2):
        watched.take(event(seq, name, "images"), 0.0)
    assert "2 made, 1 failed" in shown(watched)
    watched.take(event(9, "stage_start", "images"), 0.0)
    assert "made" not in shown(watched)


def piece(text: str, offset: int, attempt: int = 1) -> dict[str, Any]:
    return {"run": 1, "key": "draft", "attempt": attempt, "offset": offset, "text": text}


def test_a_draft_grows_and_a_piece_seen_before_adds_nothing() -> None:
    draft = Draft()
    for each in (piece("Once ", 0), piece("upon", 5), piece("Once upon", 0)):
        draft.take(each)
    assert draft.text == "Once upon"


def test_a_draft_of_which_pieces_were_missed_goes_on_behind_the_gap() -> None:
    draft = Draft()
    for each in (piece("Once ", 0), piece("time", 12), piece(" there", 16)):
        draft.take(each)
    assert draft.text == "time there"


def test_a_new_attempt_begins_the_draft_anew() -> None:
    draft = Draft()
    draft.take(piece("Once", 0))
    draft.take(piece("Twice", 0, attempt=2))
    assert draft.text == "Twice"


@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_the_picture_keeps_its_height_whatever_is_written(width: int) -> None:
    watched = Watched()
    watched.take(event(1, "stage_start", "write"), 0.0)
    watched.take(Event("tokens", "", piece("many words\n" * 5_000, 0)), 0.0)
    assert len(shown(watched, width=width).splitlines()) == 9
    watched.take(Event("tokens", "", piece("\u6f22\u5b57" * 5_000, 0, attempt=2)), 0.0)
    assert len(shown(watched, width=width).splitlines()) == 9


def test_text_from_outside_is_no_markup_and_moves_no_cursor() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    line = entry(1, "log", "write", "[red]a[/red]\x1b[2J\rb\nc\u202ed")
    for each in Watched().take(Event("log", "1", line), 0.0):
        say(console, each)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "write    [red]a[/red] [2J b c d\n"


def test_a_line_in_a_pipe_is_never_broken() -> None:
    console = Console(file=io.StringIO(), width=20)
    say(console, "word " * 50)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("\n") == 1


def test_a_line_keeps_its_indent() -> None:
    assert one_line("  starting\n") == "  starting"
