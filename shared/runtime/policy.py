"""How patient a stage is: tries per call, waits between them, deadlines. Numbers only, no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All times in seconds.

    A call is tried `max_attempts` times, waiting max(the provider's hint, backoff) between tries;
    waits up to `patience` are sat out by the worker, longer ones give the worker up until they are
    over. `stage_deadline` ends a run however its calls behave. `heartbeat` and `ack_wait` belong
    together: a message not heard of for `ack_wait` is delivered again.
    """

    max_attempts: int = 3
    backoff_base: float = 1.0
    backoff_cap: float = 30.0
    longest_hint: float = 3600.0
    patience: float = 60.0
    stage_deadline: float = 1800.0
    heartbeat: float = 10.0
    ack_wait: float = 30.0

    def wait(self, tries: int, hint: float | None, jitter: float) -> float:
        """How long to wait after the `tries`-th failure. `jitter` is drawn from [0, 1).

        Backoff doubles and is drawn between its half and its whole, so that a crowd of workers
        thrown out together does not come back together.
        """
        whole = min(self.backoff_cap, self.backoff_base * 2.0 ** (tries - 1))
        backoff = whole * (0.5 + jitter / 2)
        return max(min(hint or 0.0, self.longest_hint), backoff)
