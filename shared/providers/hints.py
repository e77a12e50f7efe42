"""When to try again, as the provider says it: in headers or in Google's error details.

The answer is in seconds from the moment the reply was written, between 0 and an hour, or None.
A date is read against the reply's own `Date`, so that our clock plays no part.
"""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

LONGEST = 3_600.0
# Google's JSON for a duration: seconds with at most nine decimals, and an "s".
DURATION = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)s")


def retry_after(
    headers: Mapping[str, str], details: Sequence[Mapping[str, Any]] = ()
) -> float | None:
    """The provider's hint, or None when it gave none that can be understood."""
    told = {name.lower(): value.strip() for name, value in headers.items()}
    hints = (
        _scaled(told.get("retry-after-ms"), 0.001),
        _scaled(told.get("retry-after"), 1.0),
        _until(told.get("retry-after"), told.get("date")),
        _google(details),
    )
    return next((min(max(hint, 0.0), LONGEST) for hint in hints if hint is not None), None)


def _scaled(value: str | None, unit: float) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return None if math.isnan(number) else number * unit


def _until(then: str | None, now: str | None) -> float | None:
    late, early = _moment(then), _moment(now)
    if late is None or early is None:
        return None
    return (late - early).total_seconds()


def _moment(value: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    # "-0000" gives a naive time; a hint that names no zone is no hint.
    return moment if moment.tzinfo is not None else None


def _google(details: Sequence[Mapping[str, Any]]) -> float | None:
    delays = [str(detail.get("retryDelay", "")) for detail in details]
    found = [match[1] for delay in delays if (match := DURATION.fullmatch(delay))]
    return max((float(seconds) for seconds in found), default=None)
