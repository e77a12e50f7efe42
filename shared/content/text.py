"""Text from outside becomes text every store accepts: no NUL, no lone surrogate, LF only."""

from __future__ import annotations


def tidy(text: str) -> str:
    """The same text with one kind of line ending and nothing that cannot be stored."""
    lf = text.replace("\r\n", "\n").replace("\r", "\n")
    printable = lf.replace("\x00", "").replace("\ufeff", "")
    return printable.encode("utf-8", "ignore").decode("utf-8").strip()


def one_line(text: str, limit: int = 2_000) -> str:
    """The text on one line, so that it cannot start another one; cut at `limit` characters."""
    return " ".join(tidy(text).split())[:limit].rstrip()


def clip(text: str, limit: int) -> str:
    """At most `limit` characters, ending with a whole word where there is one."""
    line = one_line(text)
    if len(line) <= limit:
        return line
    head, _, _ = line[: limit + 1].rpartition(" ")
    return (head or line[:limit]).rstrip(" ,;:-")
