"""One line per event on standard output, whatever is in it: no text can forge, hide or end a line.

Secrets never get there: neither under a name that sounds like one nor, as far as they were made
known when logging was configured or are keys of ours, inside any other text.
"""

from __future__ import annotations

import logging
import re
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

    from structlog.typing import Processor

type Line = MutableMapping[str, Any]

_SECRET_NAME = re.compile(
    r"key|password|passwd|secret|token|authorization|dsn|credential", re.IGNORECASE
)
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_KEY = re.compile(r"galley_[A-Za-z0-9_-]{1,64}_[0-9a-f]{16}_[0-9a-f]{64}")
"""An API key of ours, whoever sent it and wherever it stands."""
_HIDDEN = "[redacted]"
_SHORTEST = 4
"""A shorter secret would turn half of every line into `[redacted]`."""


def configure(
    service: str,
    fmt: Literal["json", "console"] = "json",
    *,
    secrets: Iterable[str] = (),
    level: int = logging.INFO,
) -> None:
    """Send structlog's events, and warnings of libraries, to standard output. Call it once."""
    worth_hiding = {each for each in secrets if len(each) >= _SHORTEST}
    known = tuple(sorted(worth_hiding, key=len, reverse=True))
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        partial(_of_service, service),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        partial(_redacted, known),
    ]
    last = _ending(fmt)
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    _adopt_libraries(shared, last)


def _ending(fmt: Literal["json", "console"]) -> list[Processor]:
    if fmt == "json":
        return [structlog.processors.JSONRenderer(default=repr)]
    return [_printable, structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())]


def _adopt_libraries(shared: list[Processor], last: list[Processor]) -> None:
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[strip, *last])
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


def _of_service(service: str, _: object, __: str, line: Line) -> Line:
    line["service"] = service
    return line


def _redacted(known: tuple[str, ...], _: object, __: str, line: Line) -> Line:
    return _hidden(known, line)


def _hidden(known: tuple[str, ...], told: Mapping[Any, object]) -> Line:
    """Also in the names: what is told by name may be whatever a client sent."""
    return {
        _without(known, str(name)): _safe(known, str(name), value) for name, value in told.items()
    }


def _safe(known: tuple[str, ...], name: str, value: object) -> object:
    """Numbers are counts (`tokens_in`), never secrets; what is no plain value is shown as text."""
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return _hidden(known, value)
        case list() | tuple() | set() | frozenset():
            return [_safe(known, name, each) for each in value]
        case _ if _SECRET_NAME.search(name):
            return _HIDDEN
        case _:
            return _without(known, value if isinstance(value, str) else str(value))


def _without(known: tuple[str, ...], text: str) -> str:
    for secret in known:
        text = text.replace(secret, _HIDDEN)
    return _KEY.sub(_HIDDEN, text)


def _printable(_: object, __: str, line: Line) -> Line:
    """The console shows text as it is, so whatever could move its cursor is spelled out."""
    return {str(_spelled(name)): _spelled(value) for name, value in line.items()}


def _spelled(value: object) -> object:
    if not isinstance(value, str):
        return value
    return _UNPRINTABLE.sub(lambda found: f"\\x{ord(found.group()):02x}", value)
