"""The people of a life, and the gateways between them and the log: whoever is not answered asks
again.

Every wish has an id, as one under an Idempotency-Key has. What was answered is kept for the laws.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

from services.gateway.control.commands import execute
from services.gateway.duties import owed
from services.gateway.posts.deletion import delete
from services.gateway.web.refusals import Refused
from shared.domain import commands as c
from shared.domain.subjects import MAIN, PostRef
from shared.domain.values import CommandRef, GateMode, PostConfig, Stage
from shared.errors import GalleyError
from tests.unit.runtime.simulation.process import Dead
from tests.unit.runtime.simulation.rough import RoughPostLog

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.commands import AnyCommand
    from shared.domain.post import Post
    from shared.eventlog import History
    from tests.unit.runtime.simulation.process import Process
    from tests.unit.runtime.simulation.world import World

POST = PostRef(MAIN, UUID(int=7))
ASKS = 6
GATEWAY = "gateway"


@dataclass(slots=True)
class Asked:
    """One wish as the client who has it sees it: what it was told, in order."""

    command: AnyCommand
    answers: list[History | Refused] = field(default_factory=list)


class People:
    """Whoever wants something of the post, and the duties, which want it without being asked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names = itertools.count(1)
        self.asked: list[Asked] = []

    async def create(self) -> None:
        """Until it is answered: without a post there is no life."""
        order = c.CreatePost(
            post_id=POST.id,
            by=self._named(),
            config=PostConfig(topic="Puppies", slug="puppies"),
            gates={Stage.WRITE: GateMode.REVIEW} if self._world.weather.gates else {},
            gate_deadline_s=self._world.dice.pick([None, 60, 3600]),
            gate_outcome=self._world.dice.pick(["approve", "cancel"]),
        )
        while not await self.ask(order):
            await asyncio.sleep(1.0)

    async def somebody(self) -> None:
        """Wants something at any moment of the life: just after somebody wrote, in mid-call."""
        await self._world.moment(self._world.dice.number(2, 80))
        await asyncio.sleep(self._world.dice.pause(0.5))
        await self.ask(self._wish())

    async def go_on(self) -> None:
        await self.ask(c.StartPipeline(post_id=POST.id, by=self._named(), ungated=True))

    async def duties(self) -> None:
        """As one gateway's loop does them."""
        while True:
            await asyncio.sleep(self._world.dice.between(1.0, 10.0))
            due = _due(self._world.post())
            command = owed(self._world.post(), POST)
            if due is None or command is None:
                continue
            await asyncio.sleep(max(0.0, (due - self._world.now()).total_seconds()))
            await self._answer(command)

    async def ask(self, command: AnyCommand) -> bool:
        """Again and again, by the same name, until it is answered; False when it never was."""
        asked = Asked(command)
        self.asked.append(asked)
        for _ in range(ASKS):
            again = 1 + self._world.dice.chance(self._world.weather.twice)
            answers = await asyncio.gather(*(self._answer(command) for _ in range(again)))
            asked.answers += [each for each in answers if each is not None]
            if asked.answers:
                return True
            await asyncio.sleep(self._world.dice.pause(2.0))
        return False

    async def _answer(self, command: AnyCommand) -> History | Refused | None:
        """What one gateway says; None for a 503, and for one that died."""
        process = await self._world.free_process(GATEWAY)
        task = process.begin(self._carried_out(process, command))
        await asyncio.wait({task})
        if task.cancelled():
            return None
        answer, what = task.exception() or task.result(), type(command).__name__
        self._world.tell(process.name, f"{what} -> {type(answer).__name__}")
        if isinstance(answer, BaseException) and not isinstance(answer, Refused):
            if not isinstance(answer, Dead | GalleyError):
                self._world.escaped.append(f"{process.name}: {answer!r}")
            return None
        return answer

    async def _carried_out(self, process: Process, command: AnyCommand) -> History:
        events, now = RoughPostLog(self._world, process), self._world.now
        if isinstance(command, c.DeletePost) and command.by is not None:
            return await delete(events, POST, command.by, now)
        return (await execute(events, POST, command, now)).history

    def _named(self) -> CommandRef:
        return CommandRef(id=UUID(int=next(self._names)), digest="d", actor="person")

    def _wish(self) -> AnyCommand:
        dice, by, end = self._world.dice, self._named(), self._world.end
        stage = dice.pick(list(Stage))
        wishes: list[AnyCommand] = [
            c.PausePipeline(post_id=POST.id, by=by),
            c.ResumePipeline(post_id=POST.id, by=by),
            c.CancelPipeline(post_id=POST.id, by=by),
            c.StartPipeline(post_id=POST.id, by=by, ungated=dice.chance(0.3)),
            c.RunStage(post_id=POST.id, by=by, stage=stage, cascade=dice.chance(0.5)),
            c.RunStage(post_id=POST.id, by=by, stage=Stage.RESEARCH, cascade=dice.chance(0.5)),
            c.EditContent(post_id=POST.id, by=by, stage=stage, actor="p", output=f"edited {end}"),
            c.ApproveStage(post_id=POST.id, by=by, actor="p"),
            c.RejectStage(post_id=POST.id, by=by, actor="p", note=f"again {end}"),
            c.RestartPost(post_id=POST.id, by=by),
            c.RetryFailed(post_id=POST.id, by=by),
            c.DiscardFailed(post_id=POST.id, by=by, actor="p"),
        ]
        if dice.chance(0.1):
            return c.DeletePost(post_id=POST.id, by=by)
        return dice.pick(wishes)


def _due(post: Post) -> datetime | None:
    """When the post moves by itself."""
    if post.held is not None:
        return post.held.until
    deadline = post.review.deadline if post.review is not None else None
    return deadline.at if deadline is not None else None
