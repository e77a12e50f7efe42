"""Markers in a prompt, `[[sim:...]]`: found for the faults they ask for, kept out of answers."""

from __future__ import annotations

import re

_MARKER = re.compile(r"\[\[sim:([^\[\]]*)\]\]")


def markers(text: str) -> tuple[str, ...]:
    """What stands between `[[sim:` and `]]`, each marker once, in order."""
    return tuple(dict.fromkeys(_MARKER.findall(text)))


def without_markers(text: str) -> str:
    """The text with nothing left that reads like a marker."""
    return _MARKER.sub(" ", text).replace("[[sim:", " ") if "[[sim:" in text else text
