"""How an error says when to try again: the headers for `7`, `ms1500` and `date5`."""

from __future__ import annotations

import re
from datetime import timedelta
from email.utils import format_datetime, formatdate, parsedate_to_datetime


def seconds(arg: str) -> str:
    """The plain seconds in a fault's argument; empty when it says something else."""
    return arg if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", arg) else ""


def headers(arg: str) -> tuple[tuple[str, str], ...]:
    """The header that carries the hint; none when the argument holds no hint."""
    match = re.fullmatch(r"(ms|date)(\d{1,6})", arg)
    if match is None:
        return (("retry-after", arg),) if seconds(arg) else ()
    if match[1] == "ms":
        return (("retry-after-ms", match[2]),)
    now = parsedate_to_datetime(formatdate(usegmt=True))
    return (("retry-after", format_datetime(now + timedelta(seconds=int(match[2])), usegmt=True)),)
