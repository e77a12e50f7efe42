"""Text on a terminal, shown as it is: nothing in it is markup, and nothing moves the cursor.

What goes into a pipe keeps its lines whole; a terminal wraps them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Collection

    from rich.style import Style

# Line ends too, because a message is one line, and the marks that turn the direction of writing.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+"
)

IDS = frozenset({"Post", "Profile"})
"""Columns that hold what people copy."""


def out() -> Console:
    """Where answers and progress go."""
    return Console(highlight=False)


def err() -> Console:
    """Where errors go."""
    return Console(stderr=True, highlight=False)


def one_line(text: object) -> str:
    """The text as a single line that holds printable characters only."""
    return _UNPRINTABLE.sub(" ", str(text)).rstrip()


def say(console: Console, text: str | Text, style: str | Style = "") -> None:
    """Print one line."""
    line = text if isinstance(text, Text) else Text(one_line(text))
    console.print(line, style=style or None, soft_wrap=not console.is_terminal)


def emit(console: Console, told: object) -> None:
    """For programs: JSON, in which nothing can move a cursor."""
    console.print(json.dumps(told, indent=2), markup=False, soft_wrap=True)


def grid(title: str, *columns: str, right: Collection[str] = ()) -> Table:
    """An empty table for people; columns named in `right` hold numbers, and ids stay whole."""
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for column in columns:
        justify: Literal["right", "left"] = "right" if column in right else "left"
        whole = column in IDS
        table.add_column(column, justify=justify, overflow="fold", no_wrap=whole)
    return table


def cell(value: object) -> Text:
    """What stands in a table; what is not known is a dash."""
    return Text("-" if value is None else one_line(value))
