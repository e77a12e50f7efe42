"""A workbench for the runtime: an in-memory log, a scripted model, a clock that jumps, and crashes.

Nothing is patched: the runtime gets everything from outside, so a test hands it what it needs.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain.commands import CreatePost
from shared.domain.decide import decide
from shared.domain.events import Recorded, StageRequested
from shared.domain.post import Post
from shared.domain.subjects import MAIN, PostRef
from shared.domain.values import ModelSettings, PostConfig, Stage, Usage
from shared.eventlog import Append
from shared.providers.port import Answer, Request
from shared.providers.prices import load_prices
from shared.runtime.desk import Desk, Work
from shared.runtime.policy import Policy
from shared.runtime.rules import Rulebook
from shared.runtime.run import StageRunner
from shared.runtime.tools import Tools
from shared.testing.documents import MemoryDocuments
from shared.testing.memory import MemoryLive, MemoryLog, MemoryMedia

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.costs import PriceTable
    from shared.domain.events import Fact, PostEvent
    from shared.domain.values import GateMode
    from shared.eventlog import Documents, EventLog
    from shared.providers.port import OnText
    from shared.runtime.budgets import Purse
    from shared.runtime.circuit import Circuits
    from shared.runtime.desk import StageFunction

POST = PostRef(MAIN, UUID(int=7))
MODEL = "claude-sonnet-5-5"
SETTINGS = ModelSettings(provider="claude", model=MODEL)
START = datetime(2026, 1, 1, tzinfo=UTC)


def answer(text: str = "A fine draft.") -> Answer:
    return Answer(text=text, usage=Usage(model=MODEL, tokens_in=1000, tokens_out=200))


class Crash(BaseException):
    """The process died here; not an Exception, so that no handler can take it for a failure."""


@dataclass
class Model:
    """Answers as scripted, then the same answer for ever; keeps every request it was sent."""

    script: list[Answer | Exception] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    held: asyncio.Event | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:
        self.asked.append(request)
        self.reached.set()
        if self.held is not None:
            await self.held.wait()
        result = self.script.pop(0) if self.script else answer()
        if isinstance(result, Exception):
            raise result
        if on_text is not None:
            await on_text(result.text)
        return result


@dataclass
class Delivery:
    """A delivery that remembers how it ended."""

    seq: int
    request: StageRequested
    ref: PostRef = POST
    ended: list[str] = field(default_factory=list)

    async def still_working(self) -> None:
        self.ended.append("beat")

    async def ack(self) -> None:
        self.ended.append("ack")

    async def hand_back(self, delay: float = 0.0) -> None:
        self.ended.append("back" if not delay else "back later")


class Bench:
    """One post on one log, and workers that come and go."""

    def __init__(self, model: Model | None = None, log: EventLog | None = None) -> None:
        self.memory = MemoryLog()
        self.log: EventLog = log or self.memory
        self.documents: Documents = MemoryDocuments(self.memory)
        self.model = model or Model()
        self.media = MemoryMedia()
        self.live = MemoryLive()
        self.clock = START
        self.mono = 0.0
        self.policy = Policy(backoff_base=0.0, backoff_cap=0.0, heartbeat=3600)
        self.purse: Purse | None = None
        self.circuits: Circuits | None = None
        self._tokens = itertools.count()

    async def create(self, gates: dict[Stage, GateMode] | None = None) -> None:
        config = PostConfig(topic="Puppies", slug="puppies")
        command = CreatePost(post_id=POST.id, config=config, gates=gates or {})
        await self.store(decide(Post(), command, self.clock), after=0, n=0)

    async def store(self, facts: Sequence[Fact], *, after: int, n: int) -> None:
        await self.memory.append(Append(ref=POST, facts=facts, after=after, n=n))

    async def do(self, command: object) -> None:
        """A person's command, straight through `decide`."""
        history = await self.memory.read(POST)
        facts = decide(history.post, command, self.clock)  # type: ignore[arg-type]
        await self.store(facts, after=history.last, n=history.post.n)

    def runner(
        self, stage: Stage, function: StageFunction, log: EventLog | None = None
    ) -> StageRunner:
        tools = Tools(
            events=log or self.log,
            media=self.media,
            models={"claude": self.model, "gemini": self.model},
            prices=prices(),
            policy=self.policy,
            now=lambda: self.clock,
            monotonic=lambda: self.mono,
            jitter=lambda: 0.0,
            token=lambda: f"token-{next(self._tokens)}",
            budgets=self.purse,
            circuits=self.circuits,
        )
        return StageRunner(
            stage,
            function,
            tools=tools,
            live=self.live,
            rules=Rulebook("", self.documents, stage),
            settings=SETTINGS,
            worker="w",
        )

    async def delivery(self) -> Delivery:
        """The open request, as the durable would deliver it."""
        history = await self.memory.read(POST)
        active = history.post.active
        assert active is not None
        request = next(fact for seq, fact in history.flow if seq == active.run)
        assert isinstance(request, StageRequested)
        return Delivery(active.run, request)

    async def run(self, function: StageFunction, stage: Stage = Stage.RESEARCH) -> Delivery:
        """One worker takes the open request and handles it to its end."""
        delivery = await self.delivery()
        await self.runner(stage, function).handle(delivery)
        return delivery

    async def facts(self) -> list[PostEvent]:
        return [fact for _, fact in await self.recorded()]

    async def recorded(self) -> list[Recorded]:
        """Everything that was stored, in order."""
        async for batch in self.memory.tail(0):
            return [Recorded(each.seq, each.fact) for each in batch if each.fact is not None]
        return []

    async def post(self) -> Post:
        return (await self.memory.read(POST)).post

    def later(self, seconds: float) -> None:
        self.clock += timedelta(seconds=seconds)


def prices() -> PriceTable:
    return load_prices()


def asks(*keys: str) -> StageFunction:
    """A stage that asks once per key, one after the other, and joins the answers."""

    async def function(desk: Desk) -> Work:
        texts = [
            (await desk.ask(key, ask(key, desk), asking=f"Asking for {key}")).text for key in keys
        ]
        return Work(output="\n".join(texts), summary="Done")

    return function


def ask(key: str, desk: Desk) -> Request:
    prompt = f"{key} about {desk.config.topic} {desk.note}"
    return Request(provider="claude", model=MODEL, prompt=prompt, max_tokens=1000)


def kinds(facts: Sequence[PostEvent]) -> list[str]:
    return [fact.type for fact in facts]
