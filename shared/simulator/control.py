"""The simulator's own endpoints under /__sim: pace, rules, calls, state, hold, release, reset.

Everything is JSON. GET calls (?provider= ?match=), state, rules, pace, held (?at_least=n&timeout=s
answers once n calls are held) and idle (answers once nothing is under way); POST pace, rules, hold,
release, reset; DELETE calls, rules.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pydantic import TypeAdapter, ValidationError

from shared.simulator.faults import Faults, Rule
from shared.simulator.hold import Filter, Hold
from shared.simulator.journal import Journal
from shared.simulator.reply import encode
from shared.simulator.settings import Pace, SimulatorSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shared.simulator.exchange import Exchange
    from shared.simulator.journal import Price

_LONGEST_WAIT = 60.0
_RULES: TypeAdapter[Rule | list[Rule]] = TypeAdapter(Rule | list[Rule])
_OBJECT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class State:
    """All that changes while the simulator runs."""

    def __init__(self, settings: SimulatorSettings, price: Price) -> None:
        self.settings = settings
        self.pace = settings.pace
        self.faults = Faults()
        self.hold = Hold()
        self.journal = Journal(settings.journal_limit, price)

    def reset(self) -> None:
        """Back to the start; calls under way go on."""
        self.pace = self.settings.pace
        self.faults.clear()
        self.hold.release()
        self.journal.clear()
        self.journal.peak, self.journal.disconnects = self.journal.in_flight, 0


class Control:
    """Answers requests to /__sim."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._routes: dict[tuple[str, str], Callable[[dict[str, str], bytes], Awaitable[Any]]] = {
            ("GET", "calls"): self._calls,
            ("DELETE", "calls"): self._clear_calls,
            ("GET", "state"): self._tell_state,
            ("POST", "reset"): self._reset,
            ("GET", "pace"): self._tell_pace,
            ("POST", "pace"): self._set_pace,
            ("GET", "rules"): self._tell_rules,
            ("POST", "rules"): self._add_rules,
            ("DELETE", "rules"): self._drop_rules,
            ("POST", "hold"): self._hold,
            ("POST", "release"): self._release,
            ("GET", "held"): self._held,
            ("GET", "idle"): self._idle,
        }

    async def answer(self, exchange: Exchange) -> None:
        """Do what is asked, or say with a 4xx why not."""
        route = self._routes.get((exchange.method, exchange.path.removeprefix("/__sim/")))
        body = await exchange.body(self._state.settings.body_limit)
        if route is None:
            await exchange.whole(404, encode({"error": "the simulator has no such endpoint"}))
            return
        try:
            told = await route(_query(exchange.query), body)
        except (ValidationError, ValueError) as error:
            await exchange.whole(400, encode({"error": _why(error)}))
            return
        await exchange.whole(200, encode(told))

    async def _calls(self, query: dict[str, str], _body: bytes) -> list[dict[str, Any]]:
        return list(self._state.journal.calls(query.get("provider", ""), query.get("match", "")))

    async def _clear_calls(self, _query: dict[str, str], _body: bytes) -> dict[str, Any]:
        self._state.journal.clear()
        return {}

    async def _tell_state(self, _query: dict[str, str], _body: bytes) -> dict[str, Any]:
        journal = self._state.journal
        return {
            "in_flight": journal.in_flight,
            "peak": journal.peak,
            "disconnects": journal.disconnects,
            "held": self._state.hold.waiting,
            "calls": len(journal),
        }

    async def _reset(self, _query: dict[str, str], _body: bytes) -> dict[str, Any]:
        self._state.reset()
        return {}

    async def _tell_pace(self, _query: dict[str, str], _body: bytes) -> dict[str, Any]:
        return self._state.pace.model_dump()

    async def _set_pace(self, _query: dict[str, str], body: bytes) -> dict[str, Any]:
        told = {**self._state.pace.model_dump(), **_object(body)}
        self._state.pace = Pace.model_validate(told)
        return self._state.pace.model_dump()

    async def _tell_rules(self, _query: dict[str, str], _body: bytes) -> list[dict[str, Any]]:
        return [rule.model_dump() for rule in self._state.faults.rules]

    async def _add_rules(self, query: dict[str, str], body: bytes) -> list[dict[str, Any]]:
        told = _RULES.validate_json(body)
        for rule in told if isinstance(told, list) else [told]:
            self._state.faults.add(rule)
        return await self._tell_rules(query, body)

    async def _drop_rules(self, _query: dict[str, str], _body: bytes) -> dict[str, Any]:
        self._state.faults.drop_rules()
        return {}

    async def _hold(self, _query: dict[str, str], body: bytes) -> dict[str, Any]:
        self._state.hold.begin(Filter.model_validate(_object(body)))
        return {}

    async def _release(self, _query: dict[str, str], _body: bytes) -> dict[str, Any]:
        self._state.hold.release()
        return {}

    async def _held(self, query: dict[str, str], _body: bytes) -> dict[str, Any]:
        wanted = int(query.get("at_least", "0"))
        return {"held": await self._state.hold.reached(wanted, _seconds(query))}

    async def _idle(self, query: dict[str, str], _body: bytes) -> dict[str, Any]:
        journal = self._state.journal
        try:
            await asyncio.wait_for(journal.idle.wait(), _seconds(query))
        except TimeoutError:
            return {"in_flight": journal.in_flight}
        return {"in_flight": journal.in_flight}


def _query(raw: bytes) -> dict[str, str]:
    told = parse_qs(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=20)
    return {name: values[-1] for name, values in told.items()}


def _seconds(query: dict[str, str]) -> float:
    return min(_LONGEST_WAIT, max(0.0, float(query.get("timeout", "10"))))


def _object(body: bytes) -> dict[str, Any]:
    told = json.loads(body) if body.strip() else {}
    return _OBJECT.validate_python(told)


def _why(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(step) for step in first['loc'])}: {first['msg']}"
    return str(error)[:500]
