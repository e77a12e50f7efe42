"""Whether a provider is there for anybody: while it is not, calls wait before they are claimed, so
that an outage costs no post its tries.

What one process has met itself is all it goes by, and nothing rests on it: whoever does not know of
an outage makes one try too many. A circuit opens after several failures in a row, of more than one
run, that say nothing about the request; then it lets one call through now and then, whose failure
does not count, until one is answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.domain.values import Provider
    from shared.errors import Transient

log = structlog.get_logger()

AWAY: Final = frozenset(
    {
        *("bad_gateway", "connection", "gateway_timeout", "overloaded", "rate_limited"),
        *("server_error", "timeout"),
    }
)
"""Failures that whoever asks next will most likely meet as well."""
OPENS_AFTER: Final = 5
PROBES_EVERY_S: Final = 5.0


class Circuit:
    """One provider. All times in seconds."""

    def __init__(
        self,
        provider: Provider,
        monotonic: Callable[[], float],
        first_pause: float,
        longest_pause: float,
    ) -> None:
        self._provider = provider
        self._monotonic = monotonic
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._pause = first_pause
        self._in_a_row = 0
        self._runs: set[int] = set()
        self._opens_at: float | None = None
        self._probed = False

    def shut_for(self) -> float:
        """How long to wait before a call; 0 lets this one through."""
        now = self._monotonic()
        if self._opens_at is None or now >= self._opens_at:
            self._probed = self._opens_at is not None
            if self._probed:
                self._opens_at = now + PROBES_EVERY_S
            return 0.0
        return self._opens_at - now

    def answered(self) -> None:
        """It is there, whatever it said."""
        if self._opens_at is not None:
            log.info("circuit.closed", provider=self._provider)
        self._in_a_row, self._opens_at, self._pause = 0, None, self._first_pause
        self._runs.clear()

    def failed(self, run: int, error: Transient) -> bool:
        """Whether this failure counts among the run's tries: one that everybody meets does not."""
        if error.code not in AWAY:
            self.answered()
            return True
        self._in_a_row += 1
        self._runs.add(run)
        if self._opens_at is None and (self._in_a_row < OPENS_AFTER or len(self._runs) < 2):
            return True
        self._open(error)
        return False

    def _open(self, error: Transient) -> None:
        """Longer each time that a call was let through for nothing."""
        now, earlier = self._monotonic(), self._opens_at or 0.0
        if self._opens_at is None:
            log.warning("circuit.opened", provider=self._provider, why=error.code)
        elif self._probed:
            self._pause, earlier = min(2 * self._pause, self._longest_pause), 0.0
        self._probed = False
        pause = min(max(self._pause, error.retry_after or 0.0), self._longest_pause)
        self._opens_at = max(earlier, now + pause)


class Circuits:
    """The circuits of one process."""

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        first_pause: float = 10.0,
        longest_pause: float = 300.0,
    ) -> None:
        self._monotonic = monotonic
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._known: dict[Provider, Circuit] = {}

    def of(self, provider: Provider) -> Circuit:
        if provider not in self._known:
            self._known[provider] = Circuit(
                provider, self._monotonic, self._first_pause, self._longest_pause
            )
        return self._known[provider]
