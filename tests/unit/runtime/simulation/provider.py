"""A provider that keeps its own list of what it was asked and what it charged for.

The list is the truth the ledger is compared with. It knows which attempt a call belongs to because
every request streams, and live text names its attempt.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain.events import CallName
from shared.domain.values import Usage
from shared.errors import Permanent, Transient
from shared.providers.port import Answer, Picture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from shared.domain.subjects import PostRef
    from shared.errors import ProviderError
    from shared.eventlog import Tokens
    from shared.providers.port import OnText, Request
    from tests.unit.runtime.simulation.process import Process
    from tests.unit.runtime.simulation.world import World

MODEL = "claude-sonnet-5-5"
USAGE = Usage(model=MODEL, tokens_in=1000, tokens_out=200)
SECRET = "what the model said"
HUGE = SECRET * 30_000


@dataclass(slots=True)
class Sent:
    """One request that reached the provider. `answered`: it was charged for; `heard`: what was
    charged reached the worker's code."""

    id: str
    name: CallName
    process: Process
    at: int
    answered: bool = False
    heard: bool = False


class Announced:
    """A `Live` that only remembers the last piece."""

    def __init__(self) -> None:
        self.last: tuple[PostRef, Tokens] | None = None

    async def publish(self, ref: PostRef, tokens: Tokens) -> None:
        self.last = (ref, tokens)

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[tuple[PostRef, Tokens]]]:
        raise NotImplementedError


class Provider:
    """A `Model` for one process."""

    def __init__(self, world: World, process: Process, live: Announced) -> None:
        self._world = world
        self._process = process
        self._live = live

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:
        await self._process.turn()
        sent = await self._sent(on_text)
        dice, weather = self._world.dice, self._world.weather
        if dice.chance(weather.dies):
            await asyncio.sleep(dice.pause(1.0))
            self._world.tell(self._process.name, f"dies in {sent.id}")
            self._process.die()
        await asyncio.sleep(dice.pause(4.0))
        failure = self._failure(sent) if dice.chance(weather.fails) else self._outage()
        sent.answered = failure is None or failure.usage is not None or failure.unsure
        await self._process.turn()
        sent.heard = sent.answered and (failure is None or not failure.unsure)
        self._world.tell(self._process.name, f"{sent.id} {failure.code if failure else 'answers'}")
        if failure is not None:
            raise failure
        text = HUGE if dice.chance(weather.huge) else f"{SECRET} about {request.prompt[:20]}"
        pictures = (Picture(data=sent.id.encode(), media_type="image/png"),)
        shown = pictures if request.ratio else ()
        return Answer(text=text, usage=USAGE, request_id=sent.id, pictures=shown)

    async def _sent(self, on_text: OnText | None) -> Sent:
        assert on_text is not None
        await on_text("...")
        assert self._live.last is not None
        _, told = self._live.last
        name = CallName(stage=told.stage, run=told.run, key=told.key, attempt=told.attempt)
        sent = Sent(f"req-{len(self._world.sent)}", name, self._process, self._world.end)
        self._world.sent.append(sent)
        where = f"{name.stage}.{name.run}.{name.key}.{name.attempt}"
        self._world.tell(self._process.name, f"sends {where} as {sent.id}")
        return sent

    def _outage(self) -> ProviderError | None:
        """For everybody, from one moment of the life to another, however calm it is by then."""
        begins, ends = self._world.drawn.outage
        if begins <= asyncio.get_running_loop().time() < ends:
            return Transient("nobody there", code="connection")
        return None

    def _failure(self, sent: Sent) -> ProviderError:
        dice = self._world.dice
        usage = USAGE if dice.chance(0.3) else None
        if dice.chance(0.3):
            return Transient("cut off", code="cut_off", usage=usage, unsure=True)
        if dice.chance(0.08):
            return Permanent("refused", code="refusal", usage=usage, request_id=sent.id, raw=SECRET)
        hint = dice.pick([None, 0.5, 5.0, 90.0, 600.0])
        return Transient(
            "busy", code="busy", usage=usage, request_id=sent.id, retry_after=hint, raw=SECRET
        )
