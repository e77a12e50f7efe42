"""How much one key may ask at a time, and how often an address may show none that counts.

Tokens come back with time, so a burst is let through and a flood is not. What is remembered is
bounded: of what is forgotten the bucket was full, or it is the one longest unused.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_REMEMBERED = 10_000
_FAILURES_PER_S = 5.0
_FAILURES_AT_ONCE = 200.0


@dataclass(frozen=True, slots=True)
class Allowed:
    """For each key: requests a second (twice as many at once), and streams open at a time."""

    requests_per_s: float = 1_000.0
    streams: int = 1_000


EVERYBODY = Allowed()


class TooMany(GalleyError):
    """More than is allowed; `after` says in how many seconds it is worth another try."""

    def __init__(self, what: str, after: int = 1) -> None:
        super().__init__(f"too many {what}; try again in {after} s")
        self.after = after


class Buckets:
    """A bucket for each name: `most` tokens, of which `per_s` come back each second."""

    def __init__(self, per_s: float, most: float, monotonic: Callable[[], float]) -> None:
        self._per_s, self._most, self._monotonic = per_s, most, monotonic
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str) -> float:
        """Take a token; 0, or the seconds until there is one again."""
        now = self._monotonic()
        left, at = self._left.get(name, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_s)
        taken = left >= 1
        self._left[name] = (left - 1 if taken else left), now
        self._left.move_to_end(name)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._per_s


class Limits:
    def __init__(self, allowed: Allowed, monotonic: Callable[[], float]) -> None:
        rate = allowed.requests_per_s
        self._asked = Buckets(rate, max(2 * rate, 1), monotonic)
        self._failed = Buckets(_FAILURES_PER_S, _FAILURES_AT_ONCE, monotonic)
        self._most = allowed.streams
        self._streams: dict[str, int] = {}

    def asked(self, key: str) -> None:
        """A request under this key. Raises `TooMany`."""
        if wait := self._asked.take(key):
            raise TooMany("requests under this key", ceil(wait))

    def failed(self, address: str) -> None:
        """Somebody came without a key that counts. Raises `TooMany`."""
        if wait := self._failed.take(address):
            raise TooMany("requests without a good key", ceil(wait))

    @contextmanager
    def stream(self, key: str) -> Iterator[None]:
        """A stream under this key, for as long as it is open. Raises `TooMany`."""
        if self._streams.get(key, 0) >= self._most:
            raise TooMany("streams under this key", 5)
        self._streams[key] = self._streams.get(key, 0) + 1
        try:
            yield
        finally:
            self._streams[key] -= 1
            if not self._streams[key]:
                del self._streams[key]
