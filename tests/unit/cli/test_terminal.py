"""Whatever a model or a topic says, a terminal shows it and does nothing else."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from shared.cli.doctor import Finding, _told
from shared.cli.terminal import cell, grid, say
from shared.cli.watched import log_line

HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07",
    "\x9b31m",
    "\r\nforged line",
    "\u202eevil\u2066\u061c\u200f",
    "[bold red]loud[/] [link=https://evil.example]x[/link]",
    "\x1b]8;;https://evil.example\x1b\\click",
    "\ufeff\u2028\u0085",
    "half \ud800",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_text_moves_the_cursor_or_is_markup(text: str):
    shown = io.StringIO()
    console = Console(file=shown, width=200, force_terminal=True, color_system=None)
    say(console, text)
    console.print(log_line({"stage": text, "message": text, "level": text}))
    table = grid("", "One")
    table.add_row(cell(text))
    console.print(table)
    _told(console, Finding(text, text))
    lines = shown.getvalue().split("\n")
    assert all(line.isprintable() for line in lines), lines
    assert "[bold red]" not in text or "[bold red]loud[/]" in shown.getvalue()
    assert not any(line.startswith("forged") for line in lines)
