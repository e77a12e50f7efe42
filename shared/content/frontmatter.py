"""YAML front matter in and out, read as plain `key: value` lines so that nothing in it can execute.

What is no such block is left in the text: a leading `---` may also be a mere rule.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

type Field = str | bool | tuple[str, ...]

_MOST_LINES = 200
_KEY = re.compile(r"([A-Za-z_][\w-]{0,60}):(?:[ \t]+(.*))?$")
# YAML takes these for line breaks or refuses them, though JSON lets them stand bare.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def split(text: str) -> tuple[dict[str, Field], str]:
    """The fields of the leading front matter and the text after it; no fields if there is none."""
    lines = text.split("\n")
    end = _closing(lines)
    fields = _fields(lines[1:end]) if end else {}
    if not fields:
        return {}, text
    return fields, "\n".join(lines[end + 1 :]).strip()


def _closing(lines: list[str]) -> int:
    if lines[0].rstrip() != "---":
        return 0
    for number, line in enumerate(lines[1 : _MOST_LINES + 1], start=1):
        if line.rstrip() in ("---", "..."):
            return number
    return 0


def _fields(lines: list[str]) -> dict[str, Field]:
    """The fields, or none at all if any line is not of a front matter's shape."""
    fields: dict[str, Field] = {}
    key = ""
    for line in (line for line in lines if line.strip() and not line.startswith("#")):
        begun = _KEY.match(line)
        if begun:
            key, value = begun[1], (begun[2] or "").strip()
            fields[key] = _value(value)
        elif key and line.startswith((" ", "\t", "- ")):
            fields[key] = _continued(fields[key], line.strip())
        else:
            return {}
    return fields


def _continued(so_far: Field, line: str) -> Field:
    if line.startswith("- "):
        items = so_far if isinstance(so_far, tuple) else ()
        return (*items, str(_scalar(line[2:].strip())))
    begun = "" if not isinstance(so_far, str) or so_far in (">", "|", ">-", "|-") else so_far
    return f"{begun} {line}".strip()


def _value(written: str) -> Field:
    if written.startswith("[") and written.endswith("]"):
        return _listed(written)
    return _scalar(written)


def _listed(written: str) -> tuple[str, ...]:
    try:
        return tuple(str(item) for item in json.loads(written))
    except (ValueError, RecursionError):
        bare = (item.strip() for item in written[1:-1].split(","))
        return tuple(str(_scalar(item)) for item in bare if item)


def _scalar(written: str) -> str | bool:
    if written in ("true", "false"):
        return written == "true"
    if len(written) > 1 and written[0] == written[-1] == '"':
        return _quoted(written)
    if len(written) > 1 and written[0] == written[-1] == "'":
        return written[1:-1].replace("''", "'")
    return written


def _quoted(written: str) -> str:
    try:
        return str(json.loads(written))
    except ValueError:
        return written[1:-1]


def emit(fields: Mapping[str, Field]) -> str:
    """The front matter as YAML: every text quoted and escaped, so that no value is special."""
    lines = [f"{key}: {_written(value)}" for key, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _written(value: Field) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    storable = value.encode("utf-8", "ignore").decode("utf-8")
    quoted = json.dumps(storable, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
