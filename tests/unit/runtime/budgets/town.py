"""Fifty posts that share a budget for seven calls, and everything that can go wrong meanwhile.

The workers, the log's manners and the passing of time are those of the simulation beside; here many
posts live at once, and a provider that is as expensive as it may be keeps the true bill.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain import commands as c
from shared.domain.balances import Balance, decode_balance, usd
from shared.domain.budgets import limits, refusal
from shared.domain.costs import price, worst_case
from shared.domain.decide import decide
from shared.domain.documents import Document, profile_in, profile_ref, settings_in, settings_ref
from shared.domain.events import Recorded
from shared.domain.evolve import evolve
from shared.domain.post import Post
from shared.domain.subjects import MAIN, PostRef
from shared.domain.values import PostConfig, Stage, Usage
from shared.errors import Permanent, Rejected, Transient
from shared.eventlog import Append
from shared.providers.port import Answer, Request
from shared.runtime.budgets import Budgets, standing
from shared.runtime.desk import Work
from shared.runtime.rules import Rulebook
from shared.runtime.run import StageRunner
from shared.runtime.tools import Tools
from shared.testing.documents import MemoryDocuments
from tests.unit.runtime.simulation.provider import MODEL, Announced
from tests.unit.runtime.simulation.rough import RoughDelivery, RoughLog, RoughMedia, RoughPostLog
from tests.unit.runtime.simulation.weather import CALM
from tests.unit.runtime.simulation.world import PRICES, SETTINGS, World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from pydantic import JsonValue

    from shared.domain.commands import AnyCommand
    from shared.providers.port import OnText
    from shared.runtime.desk import Desk
    from tests.unit.runtime.simulation.durable import Loan
    from tests.unit.runtime.simulation.process import Process

POSTS = 50
CALLS = 7
PROFILE = UUID(int=99)
MOST_TOKENS = 1_000
WORST = usd(worst_case(PRICES, MODEL, 40, MOST_TOKENS))
STAGE = Stage.RESEARCH
LIFE_S = 600.0
ENOUGH = 1_000_000.0


async def asking(desk: Desk) -> Work:
    """One call, and then two at once."""
    first = await _asked(desk, "first")
    try:
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(_asked(desk, key)) for key in ("left", "right")]
    except BaseExceptionGroup as ended:
        raise ended.exceptions[0] from None
    return Work(output=first.text + both[0].result().text, summary="Done")


async def alone(desk: Desk) -> Work:
    return Work(output=(await _asked(desk, "first")).text, summary="Done")


async def _asked(desk: Desk, key: str) -> Answer:
    request = Request(provider="claude", model=MODEL, prompt=f"{key:>20}", max_tokens=MOST_TOKENS)
    return await desk.ask(key, request, asking=f"Asking for {key}")


@dataclass(frozen=True, slots=True)
class Bill:
    """What one request really cost, on the day it was claimed."""

    day: date
    usd: Decimal


class Till:
    """A `Model` for one process: charges up to the worst case, whatever the asker then hears."""

    def __init__(self, town: Town, process: Process) -> None:
        self._town = town
        self._process = process

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:  # noqa: ARG002
        await self._process.turn()
        town, dice = self._town, self._town.dice
        usage = Usage(model=MODEL, tokens_in=20, tokens_out=dice.pick([0, 200, MOST_TOKENS]))
        charged = dice.chance(0.9)
        town.bills.append(Bill(town.now().date(), usd(price(PRICES, usage)) if charged else usd(0)))
        town.check()
        if dice.chance(town.weather.dies):
            await asyncio.sleep(dice.pause(1.0))
            self._process.die()
        await asyncio.sleep(dice.pause(4.0))
        await self._process.turn()
        if not charged:
            raise Transient("busy", code="overloaded")
        if dice.chance(town.weather.fails):
            raise self._cut(usage)
        return Answer(text="text", usage=usage)

    def _cut(self, usage: Usage) -> Transient | Permanent:
        """The bill is told whole, in part, or not at all."""
        dice = self._town.dice
        part = dice.pick([usage, usage.model_copy(update={"tokens_out": 0}), None])
        kind = Permanent if dice.chance(0.1) else Transient
        return kind("cut", code="cut_off", usage=part, unsure=part is not usage)


class RoughAccounts(RoughPostLog):
    """The log as a process' budgets reach it."""

    def __init__(self, town: Town, process: Process) -> None:
        super().__init__(town, process)

    async def append(self, append: Append) -> tuple[int, ...]:
        await self._process.turn()
        dice, weather = self._world.dice, self._world.weather
        if dice.chance(weather.dies):
            self._dies("before booking")
        if dice.chance(weather.unconfirmed):
            await self._unsure(append, "booking")
        landing = self._world.spawn(self._world.arrives(append, self._process.name, "booking"))
        outcome = await asyncio.shield(landing)
        await self._world.network()
        await self._process.turn()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome


class Town(World):
    """Everything of one seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.bills: list[Bill] = []
        self.broken: list[str] = []
        self.cap = CALLS * WORST
        self.documents = MemoryDocuments(self.memory)
        self.scope = self.dice.pick(["day", "profile"])
        self.refs = [PostRef(MAIN, UUID(int=1_000 + number)) for number in range(POSTS)]
        self._work = self.dice.pick([alone, asking])
        self._purses: dict[str, Budgets] = {}
        self._posts: dict[PostRef, Post] = {}
        self._projected = 0
        self._steps = itertools.count(1)

    # --- the law ------------------------------------------------------------------------------

    def check(self) -> None:
        """What was really charged stays within the cap, at every moment."""
        billed: dict[object, Decimal] = defaultdict(Decimal)
        for bill in self.bills:
            billed[bill.day if self.scope == "day" else ""] += bill.usd
        if any(each > self.cap for each in billed.values()):
            self.broken.append(f"{dict(billed)} was charged of {self.cap}")

    def balances(self) -> Mapping[str, Balance]:
        """Every balance as it stands."""
        return {
            each.subject: decode_balance(each.data)
            for each in self.memory.messages
            if each.subject.startswith("budgets.")
        }

    # --- workers ------------------------------------------------------------------------------

    def purse(self, process: Process) -> Budgets:
        if process.name not in self._purses:
            self._purses[process.name] = Budgets(
                RoughAccounts(self, process),
                self.documents,
                day_usd=None,
                monotonic=asyncio.get_running_loop().time,
                jitter=lambda: self.dice.between(0.0, 1.0),
            )
        return self._purses[process.name]

    def deliver(self, process: Process, loan: Loan) -> None:
        live = Announced()
        tools = Tools(
            events=RoughLog(self, process, loan.seq),
            media=RoughMedia(self, process),
            models={"claude": Till(self, process)},
            prices=PRICES,
            policy=self.policy,
            now=self.now,
            monotonic=asyncio.get_running_loop().time,
            jitter=lambda: self.dice.between(0.0, 0.99),
            token=lambda: f"token-{next(self._steps)}",
            budgets=self.purse(process),
        )
        runner = StageRunner(
            STAGE,
            self._work,
            tools=tools,
            live=live,
            rules=Rulebook("", self.documents, STAGE),
            settings=SETTINGS,
            worker=process.name,
        )
        process.begin(self._handled(runner, RoughDelivery(self, process, loan), process))

    # --- the duty -----------------------------------------------------------------------------

    async def _wakes(self) -> None:
        """Whoever waits for a budget and fits is woken."""
        while True:
            await asyncio.sleep(self.dice.between(1.0, 10.0))
            for ref in self.refs:
                post = self._post(ref)
                held = post.held
                if held is None or (held.scope is not None and not await self._fits(ref, post)):
                    continue
                await self._ask(ref, c.WakeStage(post_id=ref.id, run=held.run))

    async def _fits(self, ref: PostRef, post: Post) -> bool:
        found = await self.documents.latest([settings_ref(MAIN), profile_ref(MAIN, PROFILE)])
        said = settings_in(found.get(settings_ref(MAIN))).budgets
        own = profile_in(found.get(profile_ref(MAIN, PROFILE)))
        caps = limits(ref, post, self.now(), said, own)
        stand = await standing(self.memory, MAIN, caps)
        needed = usd(post.held.needed_usd) if post.held else usd(0)
        return refusal(caps, {name: each.balance for name, each in stand.items()}, needed) is None

    def _post(self, ref: PostRef) -> Post:
        """As the rows of the read model would show it."""
        for each in self.memory.messages[self._projected :]:
            if each.ref is not None and each.fact is not None:
                before = self._posts.get(each.ref, Post())
                self._posts[each.ref] = evolve(before, Recorded(each.seq, each.fact))
        self._projected = self.end
        return self._posts.get(ref, Post())

    async def _ask(self, ref: PostRef, command: AnyCommand) -> None:
        history = await self.memory.read(ref)
        try:
            facts = decide(history.post, command, self.now())
        except Rejected as error:
            self.tell("duty", str(error))
            return
        if facts:
            after, n = history.last, history.post.n
            await self.arrives(Append(ref=ref, facts=facts, after=after, n=n), "duty", "wake")

    # --- a life -------------------------------------------------------------------------------

    async def live(self) -> None:
        """Fifty posts under a cap for seven calls; then the cap is raised, and all go on."""
        async with asyncio.timeout(40 * LIFE_S):
            await self._capped(float(self.cap), 0)
            await asyncio.gather(*(self._begin(ref) for ref in self.refs))
            duty = self.spawn(self._wakes())
            await asyncio.sleep(self.dice.between(60.0, LIFE_S))
            self.weather = CALM
            await self._at_rest(waiting=True)
            self._settled()
            await self._capped(ENOUGH, 1)
            self.cap = Decimal(str(ENOUGH))
            await self._at_rest(waiting=False)
            duty.cancel()

    async def _capped(self, usd_: float, after: int) -> None:
        content: dict[str, JsonValue] = {"values": {"budgets": {"day_usd": usd_}}}
        ref = settings_ref(MAIN)
        if self.scope == "profile":
            ref = profile_ref(MAIN, PROFILE)
            content = {"name": "P", "created_at": self.now().isoformat(), "budget_usd": usd_}
        stands = (await self.documents.standing([ref])).get(ref)
        document = Document(actor="p", at=self.now(), content=content)
        await self.documents.write(ref, document, stands.top if stands and after else 0)

    async def _begin(self, ref: PostRef) -> None:
        config = PostConfig(topic="Puppies", slug=f"p{ref.id.int}", profile_id=PROFILE)
        order = c.CreatePost(post_id=ref.id, config=config, start=False)
        await self._ask(ref, order)
        await self._ask(ref, c.RunStage(post_id=ref.id, stage=STAGE))

    async def _at_rest(self, *, waiting: bool) -> None:
        """Until no worker has anything in hand and no post waits but for room."""
        while self._busy() or await self._more(waiting=waiting):
            await asyncio.sleep(20.0)

    def _busy(self) -> bool:
        busy = any(each.busy for stage in self._processes.values() for each in stage)
        return busy or not all(loan.settled for loan in self.loans)

    async def _more(self, *, waiting: bool) -> bool:
        for ref in self.refs:
            post = self._post(ref)
            if post.active is not None:
                return True
            if post.held is None:
                continue
            if post.held.scope is None or not waiting or await self._fits(ref, post):
                return True
        return False

    def _settled(self) -> None:
        """With everybody at rest nothing is held back any more, and no bill is forgotten."""
        for subject, balance in self.balances().items():
            if balance.reserved:
                self.broken.append(f"{subject} still holds back {balance}")
