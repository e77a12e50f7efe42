"""A worker keeps as many runs in hand as the settings say, without being started again."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shared.domain.commands import CreatePost
from shared.domain.decide import decide
from shared.domain.documents import Document, settings_ref
from shared.domain.post import Post
from shared.domain.subjects import MAIN, PostRef
from shared.domain.values import PostConfig, Stage
from shared.errors import LogUnavailable
from shared.eventlog import Append
from shared.runtime.concurrency import Concurrency
from shared.runtime.desk import Desk, Work
from shared.runtime.health import Pulse
from shared.runtime.worker import Worker
from shared.testing.documents import MemoryDocuments
from shared.testing.memory import MemoryInbox, MemoryLog
from tests.unit.runtime.bench import START, Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from shared.domain.documents import DocRef, Version
    from shared.eventlog import Documents

SETTINGS = settings_ref(MAIN)
DEFAULT = 2


class ShakyDocuments(MemoryDocuments):
    away = False

    async def latest(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Version]:
        if self.away:
            raise LogUnavailable("the log is away")
        return await super().latest(refs)


class Counted:
    """A stage whose runs wait to be let go; it knows how many are at work."""

    def __init__(self) -> None:
        self.at_work = 0
        self.changed = asyncio.Condition()
        self.go = asyncio.Event()

    async def __call__(self, _desk: Desk) -> Work:
        await self._count(1)
        try:
            await self.go.wait()
        finally:
            await self._count(-1)
        return Work(output="done", summary="done")

    async def reached(self, number: int) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: self.at_work == number)

    async def _count(self, by: int) -> None:
        async with self.changed:
            self.at_work += by
            self.changed.notify_all()


async def said(documents: Documents, **concurrency: Any) -> None:
    found = (await documents.latest([SETTINGS])).get(SETTINGS)
    content: Any = {"values": {"concurrency": concurrency}}
    document = Document(actor="Ada", at=START, content=content)
    await documents.write(SETTINGS, document, found.seq if found else 0)


def dial(documents: Documents) -> Concurrency:
    return Concurrency(documents, MAIN, Stage.RESEARCH, DEFAULT)


@asynccontextmanager
async def working(bench: Bench, stage: Counted, dial: Concurrency) -> AsyncIterator[Worker]:
    inbox = MemoryInbox(bench.memory, Stage.RESEARCH)
    runner = bench.runner(Stage.RESEARCH, stage)
    worker = Worker(inbox, runner, lambda: dial.slots, Pulse(monotonic))
    turning = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        turning.cancel()
        await worker.drain(0)


async def requested(bench: Bench, posts: int) -> None:
    for number in range(posts):
        ref = PostRef(MAIN, UUID(int=100 + number))
        config = PostConfig(topic="T", slug=f"t-{number}")
        facts = decide(Post(), CreatePost(post_id=ref.id, config=config), START)
        await bench.memory.append(Append(ref=ref, facts=facts, after=0))


async def test_a_worker_takes_more_and_fewer_as_the_settings_change() -> None:
    bench, stage = Bench(), Counted()
    await requested(bench, 12)
    concurrency = dial(bench.documents)
    async with working(bench, stage, concurrency) as worker:
        await stage.reached(DEFAULT)
        await said(bench.documents, research=5)
        await concurrency.look()
        await stage.reached(5)
        assert worker.busy == 5
        await said(bench.documents, research=1)
        await concurrency.look()
        stage.go.set()
        await stage.reached(0)
        assert worker.slots == 1


async def test_the_settings_are_looked_at_again_and_again() -> None:
    documents, pauses = MemoryDocuments(MemoryLog()), list[float]()
    concurrency = dial(documents)

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            raise asyncio.CancelledError
        await said(documents, research=len(pauses) + 10)

    with pytest.raises(asyncio.CancelledError):
        await concurrency.follow(pause)
    assert (concurrency.slots, pauses) == (13, [5.0] * 4)


async def test_the_first_look_comes_before_the_first_run_and_the_last_ends_with_the_worker() -> (
    None
):
    documents = MemoryDocuments(MemoryLog())
    await said(documents, research=9)
    concurrency = dial(documents)
    before = asyncio.all_tasks()
    async with concurrency.followed():
        assert concurrency.slots == 9
        assert len(asyncio.all_tasks()) == len(before) + 1
    assert asyncio.all_tasks() == before


async def test_a_stage_the_settings_do_not_name_keeps_its_own_number() -> None:
    documents = MemoryDocuments(MemoryLog())
    concurrency = dial(documents)
    await said(documents, write=9)
    await concurrency.look()
    assert concurrency.slots == DEFAULT
    await said(documents, research=9)
    await concurrency.look()
    await said(documents)
    await concurrency.look()
    assert concurrency.slots == DEFAULT


async def test_with_the_log_away_the_last_number_stays() -> None:
    documents = ShakyDocuments(MemoryLog())
    await said(documents, research=9)
    concurrency = dial(documents)
    await concurrency.look()
    documents.away = True
    await concurrency.look()
    assert concurrency.slots == 9


def _holding(content: bytes) -> bytes:
    told = b'{"schema_version": 1, "actor": "a", "at": "2026-01-01T00:00:00Z", "content": '
    return told + content + b"}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b'{"schema_version": 99}',
        _holding(b'{"values": {"concurrency": {"research": "many"}}}'),
        _holding(b'{"values": []}'),
    ],
)
async def test_with_settings_that_cannot_be_read_the_last_number_stays(data: bytes) -> None:
    log = MemoryLog()
    documents = MemoryDocuments(log)
    concurrency = dial(documents)
    await said(documents, research=9)
    await concurrency.look()
    await log.keep(SETTINGS.subject, data, len(log.messages))
    await concurrency.look()
    assert concurrency.slots == 9


@pytest.mark.parametrize("number", [0, -5])
async def test_a_worker_is_never_told_to_stand_still(number: int) -> None:
    documents = MemoryDocuments(MemoryLog())
    concurrency = dial(documents)
    await said(documents, research=number)
    await concurrency.look()
    assert concurrency.slots == 1
