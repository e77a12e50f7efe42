"""One simulated life of one post: workers, gateways, a durable per stage, people, weather.

Everything that happens follows from the seed; `schedule` tells it.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING

from shared.domain.events import Recorded, StageRequested
from shared.domain.evolve import fold
from shared.domain.post import Post
from shared.domain.values import ModelSettings
from shared.providers.prices import load_prices
from shared.runtime.policy import Policy
from shared.runtime.rules import Rulebook
from shared.runtime.run import StageRunner
from shared.runtime.tools import Tools
from shared.testing.documents import MemoryDocuments
from shared.testing.memory import MemoryLog, MemoryMedia
from tests.laws import Told
from tests.unit.runtime.simulation.durable import Loan
from tests.unit.runtime.simulation.people import People
from tests.unit.runtime.simulation.process import Dead, Process
from tests.unit.runtime.simulation.provider import MODEL, Announced, Provider, Sent
from tests.unit.runtime.simulation.rough import RoughDelivery, RoughLog, RoughMedia, landed
from tests.unit.runtime.simulation.stories import STAGES
from tests.unit.runtime.simulation.weather import CALM, Dice, drawn

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from shared.errors import LogError
    from shared.eventlog import Append
    from shared.runtime.budgets import Purse

START = datetime(2026, 1, 1, tzinfo=UTC)
PRICES = load_prices()
SETTINGS = ModelSettings(provider="claude", model=MODEL)
PEOPLE_S = 240.0
LONGEST_S = 7 * 86_400.0
REPLICAS = 2
RETRIES = 3


class World:
    """Everything of one life."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = Dice(seed)
        self.weather = self.drawn = drawn(self.dice)
        self.memory = MemoryLog()
        self.media = MemoryMedia()
        self.policy = Policy(stage_deadline=self.dice.pick([40.0, 600.0]))
        self.sent: list[Sent] = []
        self.escaped: list[str] = []
        self.schedule: list[str] = []
        self.loans: list[Loan] = []
        self.people = People(self)
        self._processes: defaultdict[str, list[Process]] = defaultdict(list)
        self._awaited: list[tuple[int, asyncio.Event]] = []
        self._spawned: set[asyncio.Task[Any]] = set()
        self._facts: list[Recorded] = []
        self._known = 0
        self._told = Told(())
        self._folded = (0, Post())
        self._names = itertools.count(1)
        self._tokens = itertools.count(1)

    # --- telling and waiting ------------------------------------------------------------------

    @property
    def end(self) -> int:
        return len(self.memory.messages)

    def tell(self, who: str, what: str) -> None:
        self.schedule.append(f"{asyncio.get_running_loop().time():9.2f} {who:12} {what}")
        while self._awaited and self._awaited[0][0] <= len(self.schedule):
            _, moment = self._awaited.pop(0)
            moment.set()

    async def moment(self, told: int) -> None:
        """Until so much has happened, or a while if it never does."""
        moment = asyncio.Event()
        self._awaited.append((told, moment))
        self._awaited.sort(key=itemgetter(0))
        with suppress(TimeoutError):
            await asyncio.wait_for(moment.wait(), PEOPLE_S)

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    async def network(self) -> None:
        await asyncio.sleep(self.dice.pause(self.weather.slow))

    def spawn[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return task

    # --- the log ------------------------------------------------------------------------------

    async def arrives(
        self, append: Append, who: str, facts: str, after: float = 0.0
    ) -> tuple[int, ...] | LogError:
        await asyncio.sleep(after)
        await self.network()
        outcome = await landed(self, append)
        told = str(outcome) if isinstance(outcome, tuple) else type(outcome).__name__
        self.tell(who, f"{facts} -> {told}")
        if isinstance(outcome, tuple):
            for seq in outcome:
                self._requested(seq)
        return outcome

    def _requested(self, seq: int) -> None:
        stored = self.memory.messages[seq - 1]
        if isinstance(stored.fact, StageRequested) and stored.ref is not None:
            loan = Loan(self, stored.ref, seq, stored.fact)
            self.loans.append(loan)
            self.spawn(loan.lend())

    # --- workers ------------------------------------------------------------------------------

    async def free_process(self, kind: str) -> Process:
        """One of a stage, or of the gateway, that takes work; died ones are replaced after a
        while."""
        await self.network()
        processes = self._processes[kind]
        processes[:] = [each for each in processes if each.takes_work]
        while len(processes) < REPLICAS:
            processes.append(Process(f"{kind}-{next(self._names)}"))
        return self.dice.pick(processes)

    def deliver(self, process: Process, loan: Loan) -> None:
        self.tell(process.name, f"is lent {loan.seq}")
        live = Announced()
        tools = Tools(
            events=RoughLog(self, process, loan.seq),
            media=RoughMedia(self, process),
            models={"claude": Provider(self, process, live)},
            prices=PRICES,
            policy=self.policy,
            now=self.now,
            monotonic=asyncio.get_running_loop().time,
            jitter=lambda: self.dice.between(0.0, 0.99),
            token=lambda: f"token-{next(self._tokens)}",
            circuits=process.circuits,
            budgets=self.purse(process),
        )
        stage = loan.request.stage
        runner = StageRunner(
            stage,
            STAGES[stage],
            tools=tools,
            live=live,
            rules=Rulebook("", MemoryDocuments(self.memory), stage),
            settings=SETTINGS,
            worker=process.name,
        )
        process.begin(self._handled(runner, RoughDelivery(self, process, loan), process))
        if self.dice.chance(self.weather.drains):
            self.spawn(self._drained(process, self.dice.pause(5.0)))

    def purse(self, process: Process) -> Purse | None:  # noqa: ARG002  (each process has its own)
        """The budgets of a process; here nothing is capped."""
        return None

    async def _handled(
        self, runner: StageRunner, delivery: RoughDelivery, process: Process
    ) -> None:
        try:
            await runner.handle(delivery)
        except (Dead, asyncio.CancelledError):
            if process.takes_work:
                self.escaped.append(f"{process.name}: cancelled by nobody")
        except BaseException as error:  # noqa: BLE001  whatever escapes is a finding
            self.escaped.append(f"{process.name}: {error!r}")

    async def _drained(self, process: Process, after: float) -> None:
        await asyncio.sleep(after)
        if process.alive:
            self.tell(process.name, "is drained")
            process.drain()

    # --- a life -------------------------------------------------------------------------------

    async def live(self) -> None:
        """From creation until nothing moves any more."""
        random.seed(self.seed)  # the gateway spreads those who collide by dice of its own
        async with asyncio.timeout(LONGEST_S):
            await self.people.create()
            duties = [self.spawn(self.people.duties()) for _ in range(REPLICAS)]
            people = [self.spawn(self.people.somebody()) for _ in range(self.weather.people)]
            await self.moment(self.dice.number(20, 120))
            await asyncio.gather(*people)
            self.weather = CALM
            self.tell("weather", "is calm")
            await self._quiet()
            for _ in range(RETRIES):
                await self.people.go_on()
                await self._quiet()
            for each in duties:
                each.cancel()

    async def _quiet(self) -> None:
        while self._moving() or self._owed():
            await asyncio.sleep(20.0)

    def _moving(self) -> bool:
        busy = any(each.busy for kind in self._processes.values() for each in kind)
        waiting = len(self._spawned) > REPLICAS
        return busy or waiting or not all(loan.settled for loan in self.loans)

    def _owed(self) -> bool:
        post = self.post()
        return post.active is not None or (post.held is not None and not post.paused)

    def post(self) -> Post:
        """The post as it stands; folded again only when there is more."""
        if self._folded[0] != self.end:
            self._folded = (self.end, fold(self.recorded()))
        return self._folded[1]

    def told(self) -> Told:
        """What the log says of the post."""
        if len(self._told.messages) != self.end:
            self._told = Told(tuple(self.memory.messages))
        return self._told

    def recorded(self) -> list[Recorded]:
        """Every fact of the log so far."""
        new = self.memory.messages[self._known :]
        self._facts += [Recorded(each.seq, each.fact) for each in new if each.fact]
        self._known += len(new)
        return self._facts
