"""A plant whose processes die where they are told, and the posts that are led through it.

Every place is armed from the start and kept from striking by its marker; taking the marker away
lets it strike, once. A stage is given one post at a time, so what happens in it is that post's.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import UUID

import psutil

from shared.domain.events import StageRequested
from shared.domain.subjects import PostRef
from shared.domain.values import ORDER, Stage
from shared.jetstream import GATEWAY, connect, open_backlogs, open_log
from shared.local.environment import SERVICES
from tests.e2e.press import PATIENCE, PAUSE, SHORT, pressing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from shared.domain.events import Recorded
    from shared.jetstream import Connection
    from shared.local.plant import Plan
    from tests.e2e.press import Press
    from tests.e2e.press import Row as Answer

TOPIC = "Keeping Tulips in Pots"
GATES = dict.fromkeys(map(str, ORDER), "approve_only")


type Led = Callable[[str, Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A post at its end: its row, its history, and stage by stage what the providers were asked."""

    post: Answer
    flow: tuple[Recorded, ...]
    calls: tuple[Recorded, ...]
    asked: Mapping[Stage, Sequence[Answer]]
    runs: Mapping[Stage, int] = field(init=False)

    def __post_init__(self) -> None:
        asked = ((seq, fact) for seq, fact in self.flow if isinstance(fact, StageRequested))
        object.__setattr__(self, "runs", {fact.stage: seq for seq, fact in asked})


class Rig:
    """One plant under trial."""

    def __init__(self, press: Press, connection: Connection, dsn: str, marks: Path) -> None:
        self.press = press
        self.dsn = dsn
        self.connection = connection
        self.log = open_log(connection, GATEWAY)
        self._backlogs = open_backlogs(connection)
        self._marks = marks
        self._turns = {stage: asyncio.Lock() for stage in ORDER}

    async def made(self, name: str, led: Led) -> Made:
        """A post led through all stages in this way, one after the other."""
        asked: dict[Stage, Sequence[Answer]] = {}
        post = await self.ordered(name)
        for stage in ORDER:
            async with self._turns[stage]:
                seen = len(await self._calls(stage))
                await led(post, stage)
                asked[stage] = (await self._calls(stage))[seen:]
        after = await self.press.told(post, "approve")
        return await self.told(post, asked, after)

    async def ordered(self, name: str) -> str:
        """A post like any other, but for the profile it belongs to; its id. It waits."""
        profile = await self.press.gateway.create_profile(name)
        fields = {"word_count": SHORT, "profile_id": profile["id"]}
        made = await self.press.gateway.create(TOPIC, gates=GATES, fields=fields)
        return str(made["id"])

    async def unhurt(self, post: str, stage: Stage) -> None:
        """Through the stage as on any day."""
        await self.waits(post, stage, await self.begun(post, stage))

    async def dying(self, post: str, stage: Stage, entries: Sequence[str]) -> None:
        """Through the stage, whose process dies at these entries in turn."""
        self.arm(stage, entries)
        pid = self.press.plant.pids()[stage]
        after = await self.begun(post, stage)
        for entry in entries:
            pid = await self.struck(stage, entry, pid)
        await self.waits(post, stage, after)

    async def begun(self, post: str, stage: Stage) -> str:
        """Set the stage to work; the sequence of its request."""
        return await self.press.told(post, "run" if stage is ORDER[0] else "approve")

    async def waits(self, post: str, stage: Stage, after: str) -> None:
        """Until the post waits behind the stage, which has nothing more in hand."""
        ended = await self.press.until(post, "stage_review", "stage_error", after=after)
        assert ended.name == "stage_review", ended.data
        async with asyncio.timeout(PATIENCE):
            while (await self._backlogs.of(stage)).in_flight:
                await asyncio.sleep(PAUSE)

    async def told(
        self, post: str, asked: Mapping[Stage, Sequence[Answer]], after: str = "0"
    ) -> Made:
        """The post as rows and log have it, once the rows have reached a sequence."""
        ref = ref_of(post)
        history, journal = await self.log.read(ref), await self.log.calls(ref)
        row = await self.press.read(post, after)
        return Made(post=row, flow=history.flow, calls=tuple(journal.facts), asked=asked)

    def arm(self, process: str, entries: Iterable[str]) -> None:
        """Let the process die at each of these, the next time it comes there."""
        for entry in entries:
            self._marker(process, entry).unlink()

    async def struck(self, process: str, entry: str, pid: int) -> int:
        """Until it has died there and another was started; the pid of that one."""
        async with asyncio.timeout(PATIENCE):
            await self.reached(process, entry)
            while self.press.plant.pids().get(process) == pid:
                await asyncio.sleep(PAUSE)
            await self.press.plant.restart(process)  # ends the supervisor's pause: this is no loop
            return await self.press.notices.started_after(process, pid)

    async def reached(self, process: str, entry: str) -> None:
        """Until one of the processes of this name has come there."""
        async with asyncio.timeout(PATIENCE):
            while not self._marker(process, entry).exists():
                await asyncio.sleep(PAUSE)

    def _marker(self, process: str, entry: str) -> Path:
        return self._marks / f"{process}.{entry}"

    async def _calls(self, stage: Stage) -> list[Answer]:
        """What the stage has asked so far, in order."""
        tasks = ("images", "picture") if stage is Stage.IMAGES else (stage,)
        return [call for call in await self.press.simulator.calls() if call["task"] in tasks]


def ref_of(post: str) -> PostRef:
    return PostRef("main", UUID(post))


@asynccontextmanager
async def rigged(plan: Plan, marks: Path) -> AsyncIterator[Rig]:
    """A plant of this plan with `plan.settings` as its failpoints, none of which strikes yet."""
    for entry in plan.settings["GALLEY_FAILPOINT"].split(","):
        for service in SERVICES:
            (marks / f"{service}.{entry.partition(':')[0]}").touch()
    async with AsyncExitStack() as stack:
        press = await stack.enter_async_context(pressing(plan))
        told = psutil.Process(press.plant.pids()["gateway"]).environ()
        nats = (told["GALLEY_NATS_URL"], told["GALLEY_NATS_USER"], told["GALLEY_NATS_PASSWORD"])
        connection = await stack.enter_async_context(connect(*nats, "trial"))
        yield Rig(press, connection, told["GALLEY_POSTGRES_DSN"], marks)
