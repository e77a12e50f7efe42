"""A running plant, and what a person, a provider and a saboteur do to it."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from shared.client import Event, Gateway
from shared.domain.values import ORDER
from shared.errors import GatewayAway
from shared.local.layout import Layout
from shared.local.plant import Plan, Plant, running_plant

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from pathlib import Path

    from shared.local.supervisor import Notice

PATIENCE = 60.0
"""Seconds after which waiting is a failure. Nothing that works comes near it."""
PAUSE = 0.05
SHORT = 300
"""Words of an article that is quick to make: four pictures."""
ONCE = {str(stage): 1 for stage in ORDER}
"""How often each stage asks, when nothing is asked twice."""
RESTS = ("pipeline_complete", "stage_error", "stage_review")

type Row = dict[str, Any]


class Notices:
    """What the supervisor said, to be waited for."""

    def __init__(self) -> None:
        self._said: list[Notice] = []
        self._more = asyncio.Event()

    def __call__(self, notice: Notice) -> None:
        self._said.append(notice)
        self._more.set()
        self._more = asyncio.Event()

    @property
    def crashes(self) -> list[Notice]:
        return [notice for notice in self._said if notice.kind == "crashed"]

    async def started_after(self, name: str, pid: int) -> int:
        """The pid of the process that took over from `pid`."""
        while True:
            pids = [each.pid for each in self._said if (each.kind, each.name) == ("started", name)]
            if pid in pids and pids[-1] != pid:
                return pids[-1]
            await self._more.wait()


class Simulator:
    """The providers' side: what was asked and paid, what is held back, what goes wrong."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def calls(self, topic: str = "") -> list[Row]:
        """The calls made about a topic, in order."""
        await self._http.get("/__sim/idle", params={"timeout": "10"})
        found: list[Row] = (await self._http.get("/__sim/calls", params={"match": topic})).json()
        return found

    async def tell(self, what: str, **body: object) -> None:
        """`what`: hold, release, rules, pace."""
        (await self._http.post(f"/__sim/{what}", json=body)).raise_for_status()

    async def drop_rules(self) -> None:
        (await self._http.delete("/__sim/rules")).raise_for_status()

    async def held(self, count: int) -> None:
        """Until so many calls wait behind the holds."""
        query = {"at_least": str(count), "timeout": str(PATIENCE)}
        told = (await self._http.get("/__sim/held", params=query)).json()
        assert told["held"] >= count, f"{told['held']} calls are held, not {count}"

    async def nothing_held(self) -> None:
        """Until every held call was given up by its client."""
        async with asyncio.timeout(PATIENCE):
            while (await self._http.get("/__sim/state")).json()["held"]:
                await asyncio.sleep(PAUSE)


class Press:
    """One plant with everything a test needs to work it."""

    def __init__(
        self,
        plant: Plant,
        notices: Notices,
        gateway: Gateway,
        http: httpx.AsyncClient,
        simulator: Simulator,
        root: Path,
    ) -> None:
        self.plant = plant
        self.root = root
        self.notices = notices
        self.gateway = gateway
        self.http = http
        self.simulator = simulator

    async def hand_in(
        self, topic: str, *, gates: Mapping[str, str] | None = None, words: int = 2000
    ) -> str:
        """Create a post; its id."""
        made = await self.gateway.create(topic, gates=gates, fields={"word_count": words})
        return str(made["id"])

    async def tell(self, post: str, action: str, **body: object) -> httpx.Response:
        """A control command, whatever the answer."""
        return await self.http.post(f"/api/posts/{post}/{action}", json=body or None)

    async def told(self, post: str, action: str, **body: object) -> str:
        """A control command that must be accepted; the sequence of what it wrote."""
        answer = await self.tell(post, action, **body)
        assert answer.is_success, answer.text
        return answer.headers["Galley-Sequence"]

    async def until(self, post: str, *names: str, after: str = "0") -> Event:
        """The post's first event of one of these names after an id, also across gateways."""
        try:
            async with asyncio.timeout(PATIENCE), aclosing(self.stream(post, after)) as stream:
                return await anext(event async for event in stream if event.name in names)
        except TimeoutError:
            stands = await self.read(post)
            told = f"{post} stands at {stands['current_stage']}: {stands['stage_status']}"
            lines = [line["message"] for line in stands["execution_logs"][-5:]]
            raise AssertionError(f"no {' or '.join(names)}; {told}; {lines}") from None

    async def stream(self, post: str, after: str = "0") -> AsyncGenerator[Event]:
        """The post's events after an id, whatever becomes of the gateway meanwhile."""
        while True:
            try:
                async for event in self.gateway.follow(post, after):
                    after = event.id or after
                    yield event
            except GatewayAway:
                await asyncio.sleep(PAUSE)

    async def story(self, post: str, after: str = "0") -> list[Event]:
        """The post's events after an id, to its completion."""
        story: list[Event] = []
        async with asyncio.timeout(PATIENCE), aclosing(self.stream(post, after)) as stream:
            async for event in stream:
                story.append(event)
                if event.name == "pipeline_complete":
                    break
        return story

    async def rest(self, post: str, *, after: str = "0") -> Row:
        """The post once it is complete, failed or in review."""
        ended = await self.until(post, *RESTS, after=after)
        return await self.read(post, ended.id)

    async def finished(self, post: str, *, after: str = "0") -> Row:
        """The post once it is complete; a failed stage is told at once."""
        ended = await self.until(post, "pipeline_complete", "stage_error", after=after)
        assert ended.name == "pipeline_complete", ended.data
        return await self.read(post, ended.id)

    async def read(self, post: str, min_seq: str = "0") -> Row:
        """The post, once its rows have reached a sequence: with every line of its log."""
        await self.projected(min_seq)
        return {**await self.gateway.post(post, min_seq=int(min_seq))}

    async def projected(self, seq: str) -> None:
        """Until the rows have reached this sequence."""
        async with asyncio.timeout(PATIENCE):
            while (await self._posts(seq)).status_code != httpx.codes.OK:
                await asyncio.sleep(PAUSE)

    async def _posts(self, seq: str) -> httpx.Response:
        return await self.http.get("/api/posts", params={"min_seq": seq, "per_page": 1})

    async def attempts(self, post: str) -> list[Row]:
        """Every attempt of every paid call, as the log has it."""
        rows: list[Row] = (await self.http.get(f"/api/posts/{post}/calls")).json()
        return rows

    def kill(self, name: str) -> int:
        """End a process without warning; its pid."""
        pid = self.plant.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    async def replaced(self, name: str, pid: int) -> int:
        """The pid of the process the supervisor started in place of a dead one."""
        async with asyncio.timeout(PATIENCE):
            return await self.notices.started_after(name, pid)


@asynccontextmanager
async def pressing(plan: Plan) -> AsyncIterator[Press]:
    """A plant of this plan, and its clients."""
    notices = Notices()
    async with AsyncExitStack() as stack:
        plant = await stack.enter_async_context(running_plant(plan, notices, lambda _: None))
        url, key = plant.address.gateway, Layout(plan.data).first_key()
        shown = {"Authorization": f"Bearer {key}"}
        gateway = await stack.enter_async_context(Gateway(url, key))
        http = await stack.enter_async_context(
            httpx.AsyncClient(base_url=url, headers=shown, timeout=30)
        )
        simulator = await stack.enter_async_context(
            httpx.AsyncClient(base_url=plant.address.simulator, timeout=2 * PATIENCE)
        )
        yield Press(plant, notices, gateway, http, Simulator(simulator), plan.data.resolve())
