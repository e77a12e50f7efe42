"""What all runs of a worker share: the outside world, passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.runtime.budgets import Uncapped
from shared.runtime.circuit import Circuits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.domain.costs import PriceTable
    from shared.domain.values import Provider
    from shared.eventlog import EventLog, Media
    from shared.providers.port import Model
    from shared.runtime.budgets import Purse
    from shared.runtime.policy import Policy


class Tools:
    """Everything a run needs besides its post."""

    def __init__(
        self,
        *,
        events: EventLog,
        media: Media,
        models: Mapping[Provider, Model],
        prices: PriceTable,
        policy: Policy,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        jitter: Callable[[], float],
        token: Callable[[], str],
        budgets: Purse | None = None,
        circuits: Circuits | None = None,
    ) -> None:
        self.events = events
        self.media = media
        self.models = models
        self.prices = prices
        self.policy = policy
        self.now = now
        self.monotonic = monotonic
        self.jitter = jitter
        self.token = token
        self.budgets = budgets or Uncapped()
        self.circuits = circuits or Circuits(monotonic)
