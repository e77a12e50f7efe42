"""The ground truth of what was paid: every provider call, in order, with its outcome and price.

Order is told by numbers that only grow, never by a clock. Memory is bounded: the oldest calls go.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from shared.domain.values import Usage
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.domain.values import Provider

    type Price = Callable[[Usage], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One provider call. `finished` is None and `outcome` "open" while it is under way."""

    number: int
    provider: Provider
    model: str
    task: str
    topic: str
    prompt_digest: str
    request_digest: str
    key_tail: str
    fault: str
    started: int
    finished: int | None = None
    outcome: str = "open"
    usage: dict[str, Any] | None = None
    cost_usd: float = 0.0


_FIELDS = tuple(field.name for field in fields(Call))


class Journal:
    """The calls, and how many are or were under way at once."""

    def __init__(self, limit: int, price: Price) -> None:
        self._limit = limit
        self._price = price
        self._calls: dict[int, Call] = {}
        self._order = 0
        self._number = 0
        self.in_flight = 0
        self.peak = 0
        self.disconnects = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def begin(self, **told: Any) -> int:  # noqa: ANN401  (the fields of Call)
        """Note a call as under way; returns its number."""
        self._number += 1
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        self.idle.clear()
        self._calls[self._number] = Call(number=self._number, started=self._next(), **told)
        while len(self._calls) > self._limit:
            del self._calls[next(iter(self._calls))]
        return self._number

    def finish(self, number: int, outcome: str, usage: Usage | None) -> None:
        """Note how a call ended and price what it used."""
        self.in_flight -= 1
        self.disconnects += outcome == "disconnected"
        if number in self._calls:
            self._calls[number] = replace(
                self._calls[number],
                finished=self._next(),
                outcome=outcome,
                usage=usage.model_dump() if usage else None,
                cost_usd=self._price(usage) if usage else 0.0,
            )
        if not self.in_flight:
            self.idle.set()

    def __len__(self) -> int:
        return len(self._calls)

    def calls(self, provider: str = "", match: str = "") -> Iterator[dict[str, Any]]:
        """The calls as JSON values; `match` is looked for in topic, model, task and digests."""
        for call in self._calls.values():
            seen = (call.topic, call.model, call.task, call.prompt_digest, call.request_digest)
            if provider in ("", call.provider) and any(match in text for text in seen):
                yield {name: getattr(call, name) for name in _FIELDS}

    def priced(self, model: str) -> bool:
        """Whether the price table knows the model: a provider does not know the others either."""
        try:
            self._price(Usage(model=model))
        except Misconfigured:
            return False
        return True

    def clear(self) -> None:
        """Forget the finished calls; those under way stay."""
        self._calls = {n: call for n, call in self._calls.items() if call.finished is None}

    def _next(self) -> int:
        self._order += 1
        return self._order
