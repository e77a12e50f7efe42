"""Queue, dead letter, workers, logs and costs on a real log and a real Postgres."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, cast
from uuid import UUID

import httpx
import pytest

from services.gateway.access.first import FirstKey
from services.gateway.app import create_app
from services.gateway.control.commands import execute
from services.gateway.insight.filters import LogFilter
from services.gateway.insight.log_rows import entries
from services.gateway.queue.bulk import Bulk, every
from services.gateway.wiring import assemble, read_model, running
from services.projector.migrations import migrate
from services.projector.runner import Pace, Projector
from services.projector.store import open_store
from shared.domain.commands import CompleteStage, DeferStage, FailStage, PausePipeline
from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallSettled,
    CallStarted,
    PipelinePaused,
    StageDiscarded,
    StageRequested,
)
from shared.domain.values import ORDER, Metrics, Stage, Usage
from shared.errors import LogUnavailable
from shared.eventlog import Append
from shared.heartbeats import Beat
from shared.jetstream import (
    GATEWAY,
    PROJECTOR,
    open_backlogs,
    open_beats,
    open_documents,
    open_inbox,
    open_live,
    open_log,
    open_media,
)
from shared.runtime.beats import beating
from shared.runtime.desk import Desk, Work
from shared.runtime.health import Pulse, serve
from shared.runtime.worker import Worker
from shared.settings import Models
from shared.testing.access import BEARER, KEY
from tests.integration.jetstream.server import galley_nats  # noqa: F401
from tests.unit.runtime.bench import Bench

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from services.gateway.context import Gateway
    from shared.domain.commands import AnyCommand
    from shared.domain.events import Fact
    from shared.eventlog import Delivery, EventLog, PostLog
    from shared.runtime.run import StageRunner
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration

BRISK = Pace(standby_s=0.02, again_s=0.02, backoff_s=0.01, longest_backoff_s=0.05, measure_s=0.02)
TOOK = Metrics(model="m", tokens_in=10, tokens_out=20, duration_s=1.5, cost_usd=0.25)
RESEARCH, OUTLINE = Stage.RESEARCH, Stage.OUTLINE


@dataclass
class Press:
    """Log, read model, projector and gateway, all real. `ticked` is how far its own clock for
    beats was put forward."""

    nats: GalleyNats
    gateway: Gateway
    client: httpx.AsyncClient
    stack: AsyncExitStack
    ticked: list[float]
    logs: dict[str, EventLog] = field(default_factory=dict)

    async def log(self, user: str) -> EventLog:
        if user not in self.logs:
            connection = await self.stack.enter_async_context(self.nats.connect(user))
            self.logs[user] = open_log(connection, user)
        return self.logs[user]

    async def posted(self, **body: Any) -> UUID:
        answer = await self.client.post("/api/posts", json={"topic": "A topic", **body})
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def get(self, path: str, **params: Any) -> Any:
        """The answer, as fresh as the log is now."""
        params["min_seq"] = (await self.gateway.events.state()).last
        answer = await self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, expected: int = 200, **request: Any) -> Any:
        answer = await self.client.post(path, **request)
        assert answer.status_code == expected, answer.text
        return answer.json()

    async def run(self, post: UUID) -> tuple[Stage, int]:
        active = (await self.gateway.events.read(self.gateway.ref(post))).post.active
        assert active is not None
        return active.stage, active.run

    async def report(self, command: AnyCommand, stage: Stage) -> None:
        ref = self.gateway.ref(command.post_id)
        await execute(await self.log(stage), ref, command, lambda: datetime.now(UTC))

    async def complete(self, post: UUID, times: int = 1) -> None:
        for _ in range(times):
            stage, run = await self.run(post)
            text = f"# The {stage}"
            done = CompleteStage(post_id=post, stage=stage, run=run, output=text, metrics=TOOK)
            await self.report(done, stage)

    async def fail(self, post: UUID, message: str = "the key is wrong") -> None:
        stage, run = await self.run(post)
        failed = FailStage(post_id=post, stage=stage, run=run, code="bad_key", message=message)
        await self.report(failed, stage)

    async def defer(self, post: UUID) -> None:
        stage, run = await self.run(post)
        until = datetime(2999, 1, 1, tzinfo=UTC)
        await self.report(DeferStage(post_id=post, stage=stage, run=run, until=until), stage)

    async def facts(self, post: UUID, kind: type[Fact]) -> list[Any]:
        history = await self.gateway.events.read(self.gateway.ref(post))
        return [fact for _, fact in history.flow if isinstance(fact, kind)]


@asynccontextmanager
async def projecting(nats: GalleyNats, dsn: str) -> AsyncIterator[None]:
    async with nats.connect(PROJECTOR) as connection:
        events = open_log(connection, PROJECTOR)
        projector = Projector(events, partial(open_store, dsn), Pulse(monotonic), BRISK)
        task = asyncio.create_task(projector.run())
        try:
            yield
        finally:
            projector.stop()
            await task


@pytest.fixture
async def press(
    galley_nats: GalleyNats,  # noqa: F811
    fresh_database: str,
) -> AsyncIterator[Press]:
    await migrate(fresh_database)
    ticked = [0.0]
    async with (
        galley_nats.empty(),
        galley_nats.connect(GATEWAY) as connection,
        read_model(fresh_database) as rows,
        AsyncExitStack() as stack,
    ):
        documents = open_documents(connection, GATEWAY)
        gateway, attended = assemble(
            tenant="main",
            events=open_log(connection, GATEWAY),
            documents=documents,
            media=open_media(connection),
            live=open_live(connection),
            beats=open_beats(connection),
            backlogs=open_backlogs(connection),
            rows=rows,
            clock=lambda: datetime.now(UTC),
            hosts=("galley",),
            first=FirstKey(KEY, "local", documents, lambda: datetime.now(UTC)),
            monotonic=lambda: monotonic() + ticked[0],
            models=Models(models={}, perplexity_wire="agent").of_stages(),
        )
        async with (
            serve(create_app(gateway), "127.0.0.1", 0, drain_s=1) as where,
            running(gateway, attended),
            projecting(galley_nats, fresh_database),
            httpx.AsyncClient(base_url=where.url, headers=BEARER, timeout=20) as client,
        ):
            await gateway.keyring.loaded()
            yield Press(galley_nats, gateway, client, stack, ticked)


async def becomes(look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """What is seen once it is as wanted."""
    async with asyncio.timeout(10):
        while not wanted(seen := await look()):
            await asyncio.sleep(0.02)
    return seen


# --- counts -----------------------------------------------------------------------------------


async def everywhere(press: Press) -> dict[str, UUID]:
    """One post in each bucket."""
    posts = {
        "pending": await press.posted(stage_settings=dict.fromkeys(ORDER, "review")),
        "review": await press.posted(stage_settings={"research": "review"}),
        **{
            name: await press.posted()
            for name in ("running", "waiting", "paused", "failed", "complete", "cancelled")
        },
    }
    await press.complete(posts["review"])
    await press.defer(posts["waiting"])
    await press.post(f"/api/posts/{posts['paused']}/pause")
    await press.complete(posts["paused"])
    await press.fail(posts["failed"])
    await press.complete(posts["complete"], times=6)
    await press.post(f"/api/posts/{posts['cancelled']}/cancel")
    return posts


async def test_every_post_is_counted_in_the_one_bucket_that_lists_it(press: Press) -> None:
    posts = await everywhere(press)
    counted = await press.get("/api/queue")
    assert {name: counted[name] for name in posts} == dict.fromkeys(posts, 1)
    assert counted["total"] == len(posts)
    for name, post in posts.items():
        listed = await press.get("/api/posts", status=name)
        assert [item["id"] for item in listed["items"]] == [str(post)], name


async def test_the_counts_add_up_at_every_moment_of_a_busy_press(press: Press) -> None:
    posts = [await press.posted() for _ in range(8)]
    last, moments = 0, 0

    async def work(post: UUID) -> None:
        await press.complete(post, times=6)

    working = asyncio.gather(*(work(post) for post in posts))
    while not working.done():
        counted = (await press.client.get("/api/queue")).json()
        buckets = {name: n for name, n in counted.items() if name not in ("seq", "total")}
        assert sum(buckets.values()) == counted["total"] <= len(posts)
        assert counted["seq"] >= last
        last, moments = counted["seq"], moments + 1
    await working
    assert moments > 1
    assert (await press.get("/api/queue"))["complete"] == len(posts)


async def test_a_deleted_post_is_counted_nowhere(press: Press) -> None:
    post = await press.posted()
    assert (await press.client.delete(f"/api/posts/{post}")).status_code == 204
    assert (await press.get("/api/queue"))["total"] == 0


async def test_who_waited_longest_for_a_review_is_shown_first(press: Press) -> None:
    posts = [await press.posted(stage_settings={"research": "review"}) for _ in range(3)]
    for post in reversed(posts):
        await press.complete(post)
    first = await press.get("/api/queue/review", per_page=2)
    second = await press.get("/api/queue/review", per_page=2, page=2)
    shown = [UUID(item["id"]) for page in (first, second) for item in page["items"]]
    assert shown == [*reversed(posts)]
    assert (first["total"], first["pages"]) == (3, 2)
    assert "research_content" not in first["items"][0]


# --- all at once ------------------------------------------------------------------------------


async def test_everything_is_paused_and_resumed_and_goes_on_with_the_whole_run(
    press: Press,
) -> None:
    posts = await everywhere(press)
    paused = await press.post("/api/queue/pause-all")
    assert (paused["count"], paused["failed"]) == (2, 0)
    assert not await press.facts(posts["review"], PipelinePaused)
    assert (await press.post("/api/queue/pause-all"))["count"] == 0
    await press.complete(posts["running"])
    resumed = await press.post("/api/queue/resume-all")
    assert (resumed["count"], resumed["failed"]) == (3, 0)
    assert (await press.run(posts["paused"]))[0] is OUTLINE
    await press.complete(posts["running"], times=5)
    assert (await press.get("/api/queue"))["complete"] == 2


class Refusing:
    """The log, which cannot be reached for the appends of some posts; `most` were under way."""

    def __init__(self, log: PostLog, lost: set[UUID]) -> None:
        self._log = log
        self.lost, self.now, self.most = lost, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, append: Append) -> tuple[int, ...]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            if append.ref.id in self.lost:
                raise LogUnavailable("the log is away")
            return await self._log.append(append)
        finally:
            self.now -= 1


async def test_who_could_not_be_paused_is_named_and_paused_by_the_next_request(
    press: Press,
) -> None:
    rows = [{"topic": f"Topic {n}", "slug": f"topic-{n}"} for n in range(200)]
    made = await press.post("/api/posts/batch", 201, json=rows)
    lost = {UUID(each["id"]) for each in made[:30]}
    await press.get("/api/queue")
    refusing = Refusing(press.gateway.events, lost)
    shaky = replace(press.gateway, events=cast("PostLog", refusing))
    pause = Bulk(
        choice="moving", asked="x", command=lambda post, by: PausePipeline(post_id=post, by=by)
    )
    tally = await every(shaky, pause)
    assert (tally.count, tally.failed, len(tally.failures)) == (170, 30, 20)
    assert {each.post_id for each in tally.failures} < lost
    assert {each.why for each in tally.failures} == {"the log is away"}
    assert 1 < refusing.most <= 16
    again = await press.post("/api/queue/pause-all")
    assert (again["count"], again["failed"], again["failures"]) == (30, 0, [])
    assert (await press.post("/api/queue/pause-all"))["count"] == 0


async def test_a_post_made_a_moment_ago_is_paused_as_well(press: Press) -> None:
    posts = [await press.posted() for _ in range(20)]
    answer = await press.client.post("/api/queue/pause-all", headers={"Idempotency-Key": "k"})
    assert answer.json()["count"] == 20
    assert int(answer.headers["Galley-Sequence"]) <= (await press.gateway.events.state()).last
    assert [len(await press.facts(post, PipelinePaused)) for post in posts] == [1] * 20


# --- the dead letter --------------------------------------------------------------------------


async def test_what_failed_is_told_with_everything_a_person_needs(press: Press) -> None:
    post = await press.posted(slug="mine")
    await press.complete(post)
    await press.fail(post)
    found = await press.get("/api/queue/dead-letter")
    [entry] = found["entries"]
    assert found["count"] == 1
    assert entry["failed_at"]
    requested = [
        seq for seq, fact in (await _flow(press, post)) if isinstance(fact, StageRequested)
    ]
    assert {name: entry[name] for name in ("post_id", "slug", "stage", "code", "error", "run")} == {
        "post_id": str(post),
        "slug": "mine",
        "stage": "outline",
        "code": "bad_key",
        "error": "the key is wrong",
        "run": requested[-1],
    }


async def _flow(press: Press, post: UUID) -> Any:
    return (await press.gateway.events.read(press.gateway.ref(post))).flow


async def test_a_post_that_failed_while_paused_is_in_the_dead_letter_too(press: Press) -> None:
    post = await press.posted()
    await press.post(f"/api/posts/{post}/pause")
    await press.fail(post)
    assert (await press.get("/api/queue/dead-letter"))["count"] == 1
    assert (await press.get("/api/queue"))["paused"] == 1


async def test_many_retries_at_once_start_one_run(press: Press) -> None:
    post = await press.posted()
    await press.fail(post)
    url = f"/api/queue/dead-letter/{post}/retry"
    answers = await asyncio.gather(*(press.client.post(url) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["stage"] for answer in answers} == {"research"}
    assert len(await press.facts(post, StageRequested)) == 2
    assert (await press.get("/api/queue/dead-letter"))["count"] == 0


async def test_a_change_and_a_retry_are_one_decision_that_one_of_many_makes(press: Press) -> None:
    post = await press.posted()
    await press.complete(post)
    await press.fail(post)
    url = f"/api/queue/dead-letter/{post}/edit-and-retry"
    answers = await asyncio.gather(
        *(
            press.client.post(url, json={"word_count": 500 + n, "research_content": f"Text {n}."})
            for n in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    found = await press.get(f"/api/posts/{post}")
    assert found["research_content"] == f"Text {found['word_count'] - 500}."
    assert found["current_stage"] == "outline"


async def test_discarding_leaves_the_dead_letter_and_keeps_the_name(press: Press) -> None:
    post = await press.posted()
    await press.fail(post)
    body = {"note": "no use"}
    await press.post(f"/api/queue/dead-letter/{post}/discard", json=body)
    [fact] = await press.facts(post, StageDiscarded)
    assert (fact.actor, fact.note, fact.stage) == ("local", "no use", RESEARCH)
    assert (await press.get("/api/queue/dead-letter"))["entries"] == []
    counted = await press.get("/api/queue")
    assert (counted["failed"], counted["cancelled"]) == (0, 1)
    again = await press.client.post(f"/api/queue/dead-letter/{post}/discard")
    assert again.status_code == 409


async def test_the_whole_dead_letter_is_discarded_and_nothing_else(press: Press) -> None:
    posts = [await press.posted() for _ in range(3)]
    for post in posts[:2]:
        await press.fail(post)
    answer = await press.client.delete("/api/queue/dead-letter", params={"note": "no use"})
    assert answer.json() == {"status": "cleared", "count": 2, "failed": 0, "failures": []}
    assert (await press.get("/api/queue"))["running"] == 1
    again = await press.client.delete("/api/queue/dead-letter")
    assert again.json()["count"] == 0


async def test_what_could_not_be_discarded_is_named(press: Press) -> None:
    posts = [await press.posted() for _ in range(3)]
    for post in posts:
        await press.fail(post)
    refusing = Refusing(press.gateway.events, {posts[0]})
    shaky = create_app(replace(press.gateway, events=cast("PostLog", refusing)))
    await press.get("/api/queue")
    transport = httpx.ASGITransport(app=shaky)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://galley", headers=BEARER
    ) as client:
        told = (await client.delete("/api/queue/dead-letter")).json()
    assert (told["count"], told["failed"]) == (2, 1)
    assert told["failures"] == [{"post_id": str(posts[0]), "why": "the log is away"}]
    again = (await press.client.delete("/api/queue/dead-letter")).json()
    assert (again["count"], again["failed"], again["failures"]) == (1, 0, [])


# --- the workers ------------------------------------------------------------------------------


class Held:
    """A runner that has a run in hand until it is let go."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.taken, self.let_go = asyncio.Event(), asyncio.Event()

    async def handle(self, delivery: Delivery) -> None:
        self.taken.set()
        await self.let_go.wait()
        await delivery.ack()


@asynccontextmanager
async def at_work(press: Press, stage: Stage, held: Held) -> AsyncIterator[Worker]:
    """The worker's own loop for one run at a time, beating like a service."""
    async with press.nats.connect(stage) as connection:
        pulse = Pulse(monotonic)
        worker = Worker(open_inbox(connection, stage), cast("StageRunner", held), lambda: 1, pulse)
        beats = open_beats(connection)
        async with beating(
            beats,
            stage,
            datetime.now(UTC),
            active=lambda: worker.busy,
            slots=lambda: worker.slots,
            every_s=0.05,
        ):
            loop = asyncio.create_task(worker.run())
            try:
                yield worker
            finally:
                held.let_go.set()
                loop.cancel()
                await asyncio.gather(loop, return_exceptions=True)
                await worker.drain(1)


async def test_a_worker_obeys_a_changed_model_from_the_next_post_on_without_a_restart(
    press: Press,
) -> None:
    seen = list[tuple[str, str | None]]()

    async def write(desk: Desk) -> Work:
        seen.append((desk.settings.model, desk.settings.effort))
        return Work(output="# Written", summary="done")

    async with press.nats.connect(Stage.WRITE) as connection:
        bench = Bench(log=open_log(connection, Stage.WRITE))
        worker, inbox = bench.runner(Stage.WRITE, write), open_inbox(connection, Stage.WRITE)

        async def one_post() -> None:
            await press.complete(await press.posted(), times=2)
            (delivery,) = await inbox.fetch(1)
            await worker.handle(delivery)
            await delivery.ack()

        await one_post()
        said = {"stage_models": {"write": {"model": "claude-opus-5-5", "effort": "high"}}}
        assert (await press.client.patch("/api/settings", json=said)).status_code == 200
        await one_post()
    default = press.gateway.models[Stage.WRITE]
    assert seen == [(default.model, default.effort), ("claude-opus-5-5", "high")]


async def of(press: Press, stage: Stage) -> dict[str, Any]:
    answer = await press.client.get("/api/queue/worker-status")
    assert answer.status_code == 200, answer.text
    [found] = [each for each in answer.json()["services"] if each["service"] == stage]
    return dict(found)


async def test_what_is_in_hand_and_what_waits_is_measured(press: Press) -> None:
    for _ in range(3):
        await press.posted()
    held = Held(RESEARCH)
    async with at_work(press, RESEARCH, held):
        await held.taken.wait()
        seen = await becomes(
            lambda: of(press, RESEARCH), lambda each: (each["active"], each["queued"]) == (1, 2)
        )
        assert (seen["alive"], seen["instances"], seen["slots"]) == (True, 1, 1)
        assert seen["in_flight"] == 1
        assert seen["oldest_waiting_s"] >= 0
    told = (await press.client.get("/api/queue/worker-status")).json()
    assert (told["active_jobs"], told["worker_alive"]) == (1, False)


async def test_a_stage_that_is_not_heard_for_six_seconds_is_dead(press: Press) -> None:
    async with AsyncExitStack() as others:
        beats = open_beats(await others.enter_async_context(press.nats.connect(RESEARCH)))
        for stage in ORDER[1:]:
            connection = await others.enter_async_context(press.nats.connect(stage))
            beat = beating(open_beats(connection), stage, datetime.now(UTC), every_s=0.02)
            await others.enter_async_context(beat)
        async with beating(beats, RESEARCH, datetime.now(UTC), every_s=0.02):
            told = await becomes(lambda: status(press), lambda each: each["worker_alive"])
            assert all(each["alive"] for each in told["services"] if each["service"] in ORDER)
        press.ticked[0] += 5
        assert (await of(press, RESEARCH))["alive"]
        press.ticked[0] += 2
        told = await becomes(
            lambda: status(press),
            lambda each: [s["service"] for s in each["services"] if s["alive"]] == [*ORDER[1:]],
        )
        assert told["worker_alive"] is False
        dead = await of(press, RESEARCH)
        assert (dead["instances"], dead["active"], dead["queued"]) == (0, None, 0)


async def status(press: Press) -> Any:
    return (await press.client.get("/api/queue/worker-status")).json()


async def test_when_a_stage_last_completed_is_told(press: Press) -> None:
    post = await press.posted()
    assert (await of(press, RESEARCH))["last_completed_at"] is None
    await press.complete(post)
    seen = await becomes(lambda: of(press, RESEARCH), lambda each: each["last_completed_at"])
    assert (await status(press))["last_completed"] == seen["last_completed_at"]


async def test_a_beat_tells_of_its_sender_s_own_service_alone(press: Press) -> None:
    async with press.nats.connect(RESEARCH) as connection:
        beats = open_beats(connection)
        forged = Beat(
            service="outline",
            instance="x",
            active=1,
            slots=1,
            started_at=datetime.now(UTC),
            version="",
        )
        await beats.publish(forged)
        async with beating(beats, RESEARCH, datetime.now(UTC), every_s=0.02):
            await becomes(lambda: of(press, RESEARCH), lambda each: bool(each["alive"]))
        assert not (await of(press, OUTLINE))["alive"]


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b'[-1,0,"x","y"]', b"[1e999,1,1,1]", b"[" * 9_000, b"\xff"]
)
async def test_a_malformed_beat_is_passed_over(press: Press, data: bytes) -> None:
    async with press.nats.connect(RESEARCH) as connection:
        await connection.nc.publish("beats.research.broken", data)
        async with beating(open_beats(connection), RESEARCH, datetime.now(UTC), every_s=0.02):
            seen = await becomes(lambda: of(press, RESEARCH), lambda each: bool(each["alive"]))
    assert seen["instances"] == 1


# --- logs -------------------------------------------------------------------------------------


async def pages(press: Press, **params: Any) -> list[Any]:
    """Every item of every page, two at a time."""
    found: list[Any] = []
    cursor: dict[str, int] = {}
    while True:
        page = await press.get("/api/logs", limit=2, **params, **cursor)
        found += page["items"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


async def test_the_logs_of_all_posts_are_one_story_either_way_round(press: Press) -> None:
    posts = [await press.posted(slug=f"post-{n}") for n in range(2)]
    for post in posts:
        await press.complete(post)
    newest = await pages(press)
    oldest = await pages(press, order="asc")
    assert newest == [*reversed(oldest)]
    assert len({item["seq"] for item in newest}) == len(newest) > 2
    assert {(item["post_id"], item["slug"]) for item in newest} == {
        (str(post), f"post-{n}") for n, post in enumerate(posts)
    }


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_search_reads_one_stretch_of_the_log_after_another(
    press: Press, order: Literal["asc", "desc"]
) -> None:
    post = await press.posted()
    await press.complete(post)
    await press.fail(post)
    whole = await pages(press, order=order)
    for words, wanted in (("", whole), ("key is wrong", [whole[-1 if order == "asc" else 0]])):
        found: list[int] = []
        cursor, looks = None, 0
        while cursor is not None or not looks:
            asked = LogFilter(order=order, q=words, limit=2, cursor=cursor)
            page = await entries(press.gateway.rows, "main", asked, stretch=3)
            found += [told.entry.seq for told in page.entries]
            cursor, looks = page.next, looks + 1
        assert found == [line["seq"] for line in wanted]
        assert looks >= (await press.gateway.events.state()).last // 3


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_cursor_beyond_the_log_finds_no_more_than_there_is(
    press: Press, order: str
) -> None:
    await press.posted()
    page = await press.get("/api/logs", order=order, cursor=2**53 - 1)
    assert (len(page["items"]), page["next"]) == (0 if order == "asc" else 1, None)


async def test_logs_are_found_by_level_stage_time_and_words(press: Press) -> None:
    post = await press.posted()
    await press.complete(post)
    await press.fail(post, "100% wrong_key")
    [failure] = await pages(press, level="error")
    assert failure["event"] == "stage_error"
    assert [item["seq"] for item in await pages(press, q="100% WRONG_KEY")] == [failure["seq"]]
    assert not await pages(press, q="1__% wrong")
    assert {item["stage"] for item in await pages(press, stage="research")} == {"research"}
    both = await pages(press, level=["error", "warning"])
    assert [item["seq"] for item in both] == [failure["seq"]]
    assert not await pages(press, since=failure["ts"])
    everything = await pages(press, until=failure["ts"])
    assert everything[0]["seq"] == failure["seq"]
    with_offset = datetime.fromisoformat(failure["ts"]).astimezone().isoformat()
    assert await pages(press, until=with_offset) == everything


async def test_logs_are_found_by_profile_and_gone_with_their_post(press: Press) -> None:
    profile = (await press.post("/api/profiles", 201, json={"name": "A site"}))["id"]
    mine = await press.posted(profile_id=profile)
    await press.posted()
    found = await pages(press, profile_id=profile)
    assert {item["post_id"] for item in found} == {str(mine)}
    assert (await press.client.delete(f"/api/posts/{mine}")).status_code == 204
    assert not await pages(press, profile_id=profile)
    assert await pages(press)


# --- costs ------------------------------------------------------------------------------------


async def pay(press: Press, post: UUID, *, seed: int) -> None:
    """Calls of the research stage: settled, failed but billed, abandoned, open."""
    stage, run = await press.run(post)
    facts: list[Fact] = []
    for attempt, end in enumerate((CallSettled, CallFailed, CallAbandoned, None), start=1):
        name: dict[str, Any] = {
            "post_id": post,
            "at": datetime.now(UTC),
            "stage": stage,
            "run": run,
            "key": "research",
            "attempt": attempt,
            "token": "t",
        }
        usage = Usage(model=f"sonar-{seed % 2}", tokens_in=3 * seed, tokens_out=4, cache_read=1)
        billed: dict[str, Any] = {
            "provider": "perplexity",
            "usage": usage,
            "cost_usd": 0.1 * seed,
            "prices": "p",
        }
        started: dict[str, Any] = {"provider": "perplexity", "model": usage.model, "request": "r"}
        facts.append(CallStarted(**name, **started, worst_case_usd=0.7))
        if end is CallSettled:
            facts.append(end(**name, **billed, request="r", text="t", duration_s=2.0))
        elif end is CallFailed:
            told: dict[str, Any] = {"code": "refusal", "message": "no", "transient": False}
            facts.append(end(**name, **billed, **told, max_attempts=3, tries=1))
        elif end is CallAbandoned:
            facts.append(end(**name, reason="ambiguous after crash", worst_case_usd=0.7))
    await (await press.log(stage)).append(Append(ref=press.gateway.ref(post), facts=facts))


async def test_the_costs_are_the_sum_of_the_posts_ledgers(press: Press) -> None:
    posts = [await press.posted() for _ in range(3)]
    for seed, post in enumerate(posts, start=1):
        await pay(press, post, seed=seed)
    ledgers = [(await press.get(f"/api/posts/{post}"))["ledger"] for post in posts]
    settled = sum(each["settled_usd"] for each in ledgers)
    unknown = [call for each in ledgers for call in each["unconfirmed"]]
    for group in ("stage", "model", "profile", "day"):
        costs = await press.get("/api/costs", group=group)
        assert costs["total"]["settled_usd"] == pytest.approx(settled)
        assert costs["total"]["unconfirmed"] == len(unknown) == 6
        assert costs["total"]["unconfirmed_usd"] == pytest.approx(6 * 0.7)
        assert sum(each["settled_usd"] for each in costs["groups"]) == pytest.approx(settled)
        assert sum(each["calls"] for each in costs["groups"]) == costs["total"]["calls"] == 12
    assert (costs["total"]["posts"], costs["total"]["cache_read"]) == (3, 6)
    assert costs["avg_usd_per_post"] == pytest.approx(settled / 3)


async def test_costs_are_narrowed_to_a_model_a_stage_or_a_profile(press: Press) -> None:
    profile = (await press.post("/api/profiles", 201, json={"name": "A site"}))["id"]
    mine, other = await press.posted(profile_id=profile), await press.posted()
    await pay(press, mine, seed=1)
    await pay(press, other, seed=2)
    by_model = await press.get("/api/costs", group="model")
    assert {each["key"]: each["settled_usd"] for each in by_model["groups"]} == {
        "sonar-1": pytest.approx(0.2),
        "sonar-0": pytest.approx(0.4),
    }
    only = await press.get("/api/costs", model="sonar-1")
    assert only["total"]["settled_usd"] == pytest.approx(0.2)
    own = await press.get("/api/costs", profile_id=profile, group="profile")
    assert [each["key"] for each in own["groups"]] == [profile]
    assert (await press.get("/api/costs", stage="write"))["total"]["calls"] == 0
    assert (await press.get("/api/costs", stage="write"))["avg_usd_per_post"] is None


async def test_what_a_deleted_post_has_cost_is_still_counted(press: Press) -> None:
    post = await press.posted()
    await pay(press, post, seed=1)
    before = await press.get("/api/costs")
    assert (await press.client.delete(f"/api/posts/{post}")).status_code == 204
    after = await press.get("/api/costs")
    assert after["total"]["settled_usd"] == before["total"]["settled_usd"] > 0
