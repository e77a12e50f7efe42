"""Text on a terminal, shown as it is: nothing in it is markup, and nothing moves the cursor.

What goes into a pipe keeps its lines whole; a terminal wraps them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from rich.style import Style

# Line ends too, because a message is one line, and the marks that turn the direction of writing.
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+"
)


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
