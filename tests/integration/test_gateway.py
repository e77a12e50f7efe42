"""The gateway on the real log and a real Postgres, with the real projector running or not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from services.gateway import duties
from services.gateway.access.first import FirstKey
from services.gateway.app import create_app
from services.gateway.budgets.waking import Waking
from services.gateway.control.commands import execute
from services.gateway.wiring import assemble, read_model, running
from services.projector.migrations import migrate
from services.projector.runner import Pace, Projector
from services.projector.store import open_store
from shared.domain.commands import CompleteStage, DeferStage, ExceedBudget
from shared.domain.events import (
    CallSettled,
    CallStarted,
    GateExpired,
    Progressed,
    StageApproved,
    StageRejected,
    StageRequested,
)
from shared.domain.values import Metrics, Stage, Usage
from shared.eventlog import Append, Tokens
from shared.jetstream import GATEWAY, PROJECTOR, open_documents, open_live, open_log, open_media
from shared.runtime.health import Pulse, serve
from shared.settings import Models
from shared.testing.access import BEARER, KEY
from tests.integration.jetstream.server import PASSWORDS, galley_nats  # noqa: F401
from tests.unit.gateway.listener import listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from services.gateway.context import Gateway
    from shared.domain.commands import AnyCommand
    from shared.domain.subjects import PostRef
    from shared.eventlog import EventLog
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration

BRISK = Pace(standby_s=0.02, again_s=0.02, backoff_s=0.01, longest_backoff_s=0.05, measure_s=0.02)
TOOK = Metrics(model="m", tokens_in=10, tokens_out=20, duration_s=1.5, cost_usd=0.25)


@dataclass
class Plant:
    """Log, read model and gateway, all real. `at` is the time by the gateway's clock."""

    nats: GalleyNats
    dsn: str
    gateway: Gateway
    client: httpx.AsyncClient
    stack: AsyncExitStack
    at: list[datetime]
    logs: dict[str, EventLog] = field(default_factory=dict)

    async def log(self, user: str) -> EventLog:
        """The log as this user writes it."""
        if user not in self.logs:
            connection = await self.stack.enter_async_context(self.nats.connect(user))
            self.logs[user] = open_log(connection, user)
        return self.logs[user]

    def ref(self, post: UUID) -> PostRef:
        return self.gateway.ref(post)

    async def posted(self, **body: Any) -> UUID:
        answer = await self.client.post("/api/posts", json={"topic": "A topic", **body})
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["id"])

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, stage: Stage, command: AnyCommand) -> None:
        log = await self.log(stage)
        await execute(log, self.ref(command.post_id), command, lambda: self.at[0])

    async def run(self, post: UUID) -> int:
        active = (await self.gateway.events.read(self.ref(post))).post.active
        assert active is not None
        return active.run

    async def complete(self, post: UUID, *stages: Stage) -> None:
        for stage in stages:
            command = CompleteStage(
                post_id=post,
                stage=stage,
                run=await self.run(post),
                output=f"# The {stage}",
                metrics=TOOK,
            )
            await self.do(stage, command)

    async def pay(self, post: UUID, run: int, *, settle: bool) -> None:
        """A paid call of research, as its worker journals it."""
        name: dict[str, Any] = {
            "post_id": post,
            "at": self.at[0],
            "stage": Stage.RESEARCH,
            "run": run,
            "key": "research",
            "attempt": 1 if settle else 2,
            "token": "t",
            "provider": "perplexity",
            "request": "r",
        }
        started = CallStarted(**name, model="sonar", worst_case_usd=0.5)
        usage = Usage(model="sonar", tokens_in=3, tokens_out=4)
        settled = CallSettled(
            **name, text="t", usage=usage, cost_usd=0.125, prices="p", duration_s=2.0
        )
        facts = (started, settled) if settle else (started,)
        await (await self.log("research")).append(Append(ref=self.ref(post), facts=facts))

    async def say(self, post: UUID, *messages: str) -> None:
        log = await self.log("research")
        for message in messages:
            line = Progressed(
                post_id=post, at=self.at[0], stage=Stage.RESEARCH, run=1, message=message
            )
            await log.say(self.ref(post), line)

    @asynccontextmanager
    async def projecting(self) -> AsyncIterator[None]:
        """The projector runs while the context is open, and has caught up when it ends."""
        async with self.nats.connect(PROJECTOR) as connection:
            events = open_log(connection, PROJECTOR)
            projector = Projector(events, partial(open_store, self.dsn), Pulse(monotonic), BRISK)
            task = asyncio.create_task(projector.run())
            yield
            last = (await events.state()).last
            while await self.gateway.rows.position() < last:
                await asyncio.sleep(0.01)
            projector.stop()
            await task


@pytest.fixture
async def plant(
    galley_nats: GalleyNats,  # noqa: F811
    fresh_database: str,
) -> AsyncIterator[Plant]:
    await migrate(fresh_database)
    at = [datetime.now(UTC)]
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
            rows=rows,
            clock=lambda: at[0],
            first=FirstKey(KEY, "local", documents, lambda: at[0]),
            monotonic=monotonic,
            models=Models().of_stages(),
            signs=True,
            connected=connection.problem,
        )
        async with (
            serve(create_app(gateway), "127.0.0.1", 0, drain_s=1) as where,
            running(gateway, attended),
            httpx.AsyncClient(base_url=where.url, headers=BEARER, timeout=20) as client,
        ):
            await gateway.keyring.loaded()
            yield Plant(galley_nats, fresh_database, gateway, client, stack, at)


async def facts(plant: Plant, post: UUID, kind: type) -> int:
    history = await plant.gateway.events.read(plant.ref(post))
    return sum(isinstance(fact, kind) for _, fact in history.flow)


async def test_a_post_is_there_at_once_with_the_projector_stopped(plant: Plant) -> None:
    post = await plant.posted()
    found = await plant.get(f"/api/posts/{post}")
    assert found["current_stage"] == "research"
    await plant.complete(post, Stage.RESEARCH)
    found = await plant.get(f"/api/posts/{post}")
    assert (found["current_stage"], found["research_content"]) == ("outline", "# The research")


async def test_the_same_key_creates_one_post_however_often_it_is_sent(plant: Plant) -> None:
    headers, body = {"Idempotency-Key": "k"}, {"topic": "T"}
    answers = await asyncio.gather(
        *(plant.client.post("/api/posts", json=body, headers=headers) for _ in range(10))
    )
    assert {answer.status_code for answer in answers} == {201}
    [post] = {answer.json()["id"] for answer in answers}
    assert await facts(plant, UUID(post), StageRequested) == 1


async def test_a_slug_has_one_owner_however_many_want_it_at_once(plant: Plant) -> None:
    body = {"topic": "T", "slug": "mine"}
    chosen = await asyncio.gather(*(plant.client.post("/api/posts", json=body) for _ in range(8)))
    assert Counter(answer.status_code for answer in chosen) == {201: 1, 409: 7}
    made = await asyncio.gather(
        *(plant.client.post("/api/posts", json={"topic": "Same"}) for _ in range(8))
    )
    assert len({answer.json()["slug"] for answer in made}) == 8


async def test_fifty_opposing_decisions_at_once_leave_exactly_one(plant: Plant) -> None:
    post = await plant.posted(stage_settings={"research": "review"})
    await plant.complete(post, Stage.RESEARCH)
    url = f"/api/posts/{post}"
    answers = await asyncio.gather(
        *(
            plant.client.post(f"{url}/approve")
            if number % 2
            else plant.client.post(f"{url}/reject", json={"note": "again"})
            for number in range(50)
        )
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 49}
    decisions = await facts(plant, post, StageApproved) + await facts(plant, post, StageRejected)
    assert decisions == 1
    assert await facts(plant, post, StageRequested) == 2


async def test_rows_and_log_tell_the_same_of_a_post(plant: Plant) -> None:
    post = await plant.posted(stage_settings={"outline": "review"}, niche="dogs")
    run = await plant.run(post)
    await plant.pay(post, run, settle=True)
    await plant.pay(post, run, settle=False)
    await plant.complete(post, Stage.RESEARCH, Stage.OUTLINE)
    routes = (f"/api/posts/{post}", f"/api/posts/{post}/logs", f"/api/posts/{post}/calls")
    from_log = [await plant.get(route) for route in routes]
    async with plant.projecting():
        pass
    assert await plant.gateway.rows.current(plant.ref(post), from_log[0]["seq"])
    assert [await plant.get(route) for route in routes] == from_log
    assert from_log[0]["ledger"]["settled_usd"] == 0.125
    assert [each["open"] for each in from_log[0]["ledger"]["unconfirmed"]] == [True]


async def test_progress_lines_of_rows_stay_when_the_rows_fall_behind(plant: Plant) -> None:
    post = await plant.posted()
    async with plant.projecting():
        await plant.say(post, "one")
    await plant.complete(post, Stage.RESEARCH)
    found = await plant.get(f"/api/posts/{post}")
    events = [line["event"] for line in found["execution_logs"]]
    assert events == ["pipeline_start", "log", "stage_complete"]


async def test_the_list_is_filtered_searched_sorted_and_paged(plant: Plant) -> None:
    first = await plant.posted(topic="100% wool", stage_settings={"research": "review"})
    second = await plant.posted(topic="100 sheep")
    await plant.complete(first, Stage.RESEARCH)
    async with plant.projecting():
        pass

    async def ids(**params: Any) -> list[str]:
        return [item["id"] for item in (await plant.get("/api/posts", **params))["items"]]

    both = [str(first), str(second)]
    assert await ids(sort="topic", order="desc") == both
    assert await ids(sort="topic", order="asc") == both[::-1]
    assert await ids(q="100%") == [str(first)]
    assert await ids(q="SHEEP") == [str(second)]
    assert await ids(q="1__") == []
    assert await ids(status="review") == [str(first)]
    assert await ids(status="running") == [str(second)]
    assert await ids(stage="research", sort="topic") == both
    assert await ids(profile_id=str(UUID(int=5))) == []
    page = await plant.get("/api/posts", per_page=1, page=2, sort="topic")
    assert (page["total"], len(page["items"]), page["page"]) == (2, 1, 2)
    assert (await plant.get("/api/posts", page=9))["total"] == 2
    assert "research_content" not in page["items"][0]
    for status in ("pending", "waiting", "paused", "complete", "failed", "cancelled"):
        assert await ids(status=status) == []


async def test_the_list_shows_the_fields_that_are_named(plant: Plant) -> None:
    first, second = await plant.posted(niche="dogs"), await plant.posted()
    await plant.complete(first, Stage.RESEARCH)
    async with plant.projecting():
        pass
    asked = {"sort": "created_at", "fields": "topic,niche,research_content,draft_content"}
    items = (await plant.get("/api/posts", **asked))["items"]
    found = {item["id"]: item for item in items}
    nothing = {"topic": "A topic", "draft_content": None}
    assert found == {
        str(first): {
            "id": str(first),
            "niche": "dogs",
            "research_content": "# The research",
            **nothing,
        },
        str(second): {"id": str(second), "niche": "", "research_content": None, **nothing},
    }


async def test_the_list_is_filtered_by_creation_and_counts_its_pages(plant: Plant) -> None:
    begun = plant.at[0]
    posts = []
    for _ in range(5):
        posts.append(await plant.posted())
        plant.at[0] += timedelta(hours=1)
    async with plant.projecting():
        pass

    async def ids(**hours: float) -> list[str]:
        limits = {
            f"created_{name}": (begun + timedelta(hours=each)).isoformat()
            for name, each in hours.items()
        }
        page = await plant.get("/api/posts", sort="created_at", order="asc", **limits)
        return [item["id"] for item in page["items"]]

    known = list(map(str, posts))
    assert await ids() == known
    assert await ids(since=1) == known[1:]
    assert await ids(until=4) == known[:4]
    assert await ids(since=1, until=3) == known[1:3]
    pages = [await plant.get("/api/posts", per_page=2, page=page) for page in (1, 3, 4)]
    assert [(page["pages"], len(page["items"])) for page in pages] == [(3, 2), (3, 1), (3, 0)]


async def test_two_hundred_posts_of_a_batch_are_stored_together_and_listed(plant: Plant) -> None:
    headers, rows = {"Idempotency-Key": "k"}, [{"topic": "Same topic"}] * 200
    answers = await asyncio.gather(
        *(plant.client.post("/api/posts/batch", json=rows, headers=headers) for _ in range(3))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    made = answers[0].json()
    assert made[-1]["seq"] - made[0]["seq"] == 199 * 4
    async with plant.projecting():
        pass
    page = await plant.get("/api/posts", per_page=200)
    assert page["total"] == 200
    assert {post["slug"] for post in page["items"]} == {post["slug"] for post in made}


async def test_a_batch_with_one_slug_of_another_stores_nothing(plant: Plant) -> None:
    await plant.posted(slug="mine")
    before = await plant.gateway.events.state()
    rows = [{"topic": "T"}] * 50 + [{"topic": "T", "slug": "mine"}]
    answer = await plant.client.post("/api/posts/batch", json=rows)
    assert answer.status_code == 409
    assert [row["row"] for row in answer.json()["rows"]] == [51]
    assert await plant.gateway.events.state() == before


async def test_a_change_and_an_approval_at_once_are_both_done(plant: Plant) -> None:
    post = await plant.posted(stage_settings={"research": "review"})
    await plant.complete(post, Stage.RESEARCH)
    changed, approved = await asyncio.gather(
        plant.client.patch(f"/api/posts/{post}", json={"niche": "dogs"}),
        plant.client.post(f"/api/posts/{post}/approve"),
    )
    assert (changed.status_code, approved.status_code) == (200, 200)
    found = await plant.get(f"/api/posts/{post}")
    assert (found["niche"], found["current_stage"]) == ("dogs", "outline")


async def test_a_deletion_and_other_commands_at_once_end_deleted(plant: Plant) -> None:
    post = await plant.posted()
    url = f"/api/posts/{post}"
    deleted, *others = await asyncio.gather(
        plant.client.delete(url),
        *(plant.client.patch(url, json={"niche": f"n{n}"}) for n in range(5)),
        plant.client.post(f"{url}/pause"),
    )
    assert deleted.status_code == 204
    assert {answer.status_code for answer in others} <= {200, 404}
    assert (await plant.client.get(url)).status_code == 404


async def test_the_list_waits_for_the_sequence_a_client_has_seen(plant: Plant) -> None:
    made = await plant.client.post("/api/posts", json={"topic": "T"})
    seq = int(made.headers["galley-sequence"])
    waiting = asyncio.create_task(plant.get("/api/posts", min_seq=seq))
    async with plant.projecting():
        assert (await waiting)["total"] == 1


async def test_the_plain_page_lists_posts_and_escapes_what_they_say(plant: Plant) -> None:
    post = await plant.posted(topic="<script>alert(1)</script>")
    async with plant.projecting():
        pass
    page = (await plant.client.get("/")).text
    assert f'<a href="/api/posts/{post}">&lt;script&gt;' in page
    assert "<script" not in page


async def test_cut_connections_to_postgres_are_replaced(plant: Plant) -> None:
    post = await plant.posted()
    async with plant.projecting():
        pass
    async with asyncpg.create_pool(plant.dsn, min_size=1, max_size=1) as pool:
        await pool.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
    assert (await plant.get(f"/api/posts/{post}"))["id"] == str(post)
    answers = [await plant.client.get("/api/posts") for _ in range(10)]
    assert {answer.status_code for answer in answers} <= {200, 503}
    assert answers[-1].json()["total"] == 1


async def test_log_filters_say_the_same_of_rows_as_of_the_log(plant: Plant) -> None:
    post = await plant.posted()
    await plant.complete(post, Stage.RESEARCH, Stage.OUTLINE)
    since = (plant.at[0] - timedelta(seconds=1)).isoformat()
    asked: list[dict[str, Any]] = [
        {"level": ["info", "error"]},
        {"level": "error"},
        {"stage": "outline"},
        {"since": since},
        {"since": (plant.at[0] + timedelta(hours=1)).isoformat()},
        {"limit": 1},
        {"limit": 3},
        {"cursor": 1_000_000},
    ]
    url = f"/api/posts/{post}/logs"
    from_log = [await plant.get(url, **params) for params in asked]
    async with plant.projecting():
        pass
    assert [await plant.get(url, **params) for params in asked] == from_log


async def test_min_seq_holds_for_lines_and_calls_that_are_no_steps_of_the_post(
    plant: Plant,
) -> None:
    post = await plant.posted()
    async with plant.projecting():
        pass
    await plant.say(post, "one")
    await plant.pay(post, await plant.run(post), settle=True)
    last = (await plant.gateway.events.state()).last
    url = f"/api/posts/{post}"
    told = (await plant.get(f"{url}/logs", min_seq=last))["items"]
    assert [line["message"] for line in told][1:2] == ["one"]
    whole = await plant.get(url, min_seq=last)
    assert whole["execution_logs"] == told
    assert whole["ledger"]["settled_usd"] == 0.125


async def test_calls_are_as_new_as_the_sequence_a_client_has_seen(plant: Plant) -> None:
    post = await plant.posted()
    async with plant.projecting():
        pass
    url = f"/api/posts/{post}/calls"
    await plant.pay(post, await plant.run(post), settle=True)
    last = (await plant.gateway.events.state()).last
    paid = await plant.get(url, min_seq=last)
    assert [(each["outcome"], each["ended_seq"]) for each in paid] == [("settled", last)]


async def test_whoever_follows_next_sees_each_entry_once_whatever_rows_and_log_do(
    plant: Plant,
) -> None:
    post, told = await plant.posted(), list[dict[str, Any]]()
    url = f"/api/posts/{post}/logs"
    await plant.say(post, *(f"early {number}" for number in range(4)))
    async with plant.projecting():
        pass
    await plant.complete(post, Stage.RESEARCH)
    cursor: dict[str, int] = {}
    while not told or cursor:
        page = await plant.get(url, limit=2, **cursor)
        told += page["items"]
        cursor = {"cursor": page["next"]} if page["next"] else {}
        if len(told) == 4:
            await plant.complete(post, Stage.OUTLINE)
        if len(told) == 6:
            await plant.say(post, "late", "later")
            async with plant.projecting():
                pass
    whole = await plant.get(url)
    assert whole["next"] is None
    assert told == whole["items"]
    assert [line["message"] for line in told[-2:]] == ["late", "later"]
    assert len(told) == 9


async def test_a_stream_resumes_without_gap_or_duplicate_across_a_lagging_projector(
    plant: Plant,
) -> None:
    post, other = await plant.posted(), await plant.posted()
    path = f"/api/events/{post}"
    await plant.say(post, *(f"early {number}" for number in range(20)))
    async with plant.projecting():
        pass
    await plant.say(other, "of another")
    await plant.say(post, *(f"late {number}" for number in range(20)))
    async with listening(plant.client, path, last=0) as listener:
        whole = await listener.some(41)
        await plant.say(post, "live")
        whole.append(await listener.next())
    expected = [*(f"early {n}" for n in range(20)), *(f"late {n}" for n in range(20)), "live"]
    assert [event.data["message"] for event in whole[1:]] == expected
    ids = [event.id or 0 for event in whole]
    assert ids == sorted(set(ids))
    for cut in range(0, len(ids) - 1, 5):
        async with listening(plant.client, path, last=ids[cut]) as listener:
            rest = await listener.some(len(ids) - cut - 1)
        assert [event.id for event in rest] == ids[cut + 1 :]
    async with plant.projecting():
        pass
    async with listening(plant.client, path) as listener:
        snapshot = await listener.next()
        lines = [line["seq"] for line in snapshot.data["execution_logs"]]
        assert lines == ids


async def test_live_text_comes_through_the_real_server(plant: Plant) -> None:
    post = await plant.posted()
    connection = await plant.stack.enter_async_context(plant.nats.connect("write"))
    live = open_live(connection)
    piece = Tokens(stage=Stage.WRITE, run=9, key="draft", attempt=1, offset=0, text="Once")
    async with listening(plant.client, f"/api/events/{post}") as listener:
        await listener.next()
        await live.publish(plant.ref(post), piece)
        event = await listener.next()
    assert (event.name, event.data["text"], event.id) == ("tokens", "Once", None)


async def test_a_review_past_its_deadline_is_decided_once_by_two_replicas(plant: Plant) -> None:
    post = await plant.posted(
        stage_settings={"research": "review"}, gate_deadline_s=60, gate_outcome="approve"
    )
    await plant.complete(post, Stage.RESEARCH)
    async with plant.projecting():
        pass
    await duties.once(plant.gateway)
    assert await facts(plant, post, GateExpired) == 0
    plant.at[0] += timedelta(seconds=61)
    await asyncio.gather(*(duties.once(plant.gateway) for _ in range(2)))
    assert await facts(plant, post, GateExpired) == 1
    assert (await plant.get(f"/api/posts/{post}"))["current_stage"] == "outline"


async def test_a_deferred_run_is_woken_once_when_it_is_due(plant: Plant) -> None:
    post = await plant.posted()
    until = plant.at[0] + timedelta(seconds=60)
    run = await plant.run(post)
    await plant.do(
        Stage.RESEARCH, DeferStage(post_id=post, stage=Stage.RESEARCH, run=run, until=until)
    )
    async with plant.projecting():
        pass
    await duties.once(plant.gateway)
    assert await facts(plant, post, StageRequested) == 1
    plant.at[0] = until
    await asyncio.gather(*(duties.once(plant.gateway) for _ in range(2)))
    assert await facts(plant, post, StageRequested) == 2


async def test_a_post_out_of_budget_is_shown_and_goes_on_once_there_is_room(plant: Plant) -> None:
    await plant.client.patch("/api/settings", json={"budgets": {"day_usd": 1}})
    made = await plant.client.post("/api/profiles", json={"name": "P", "budget_usd": 9})
    post, _ = await plant.posted(budget_usd=4.0), await plant.posted()
    over = ExceedBudget(
        post_id=post,
        stage=Stage.RESEARCH,
        run=await plant.run(post),
        scope="day",
        needed_usd=2.0,
        left_usd=1.0,
        cap_usd=1.0,
    )
    await plant.do(Stage.RESEARCH, over)
    async with plant.projecting():
        pass
    plant.at[0] += timedelta(seconds=2)
    waking = Waking(plant.gateway)
    assert (await waking.round()).wake == ()
    shown = await plant.get("/api/budgets")
    assert (shown["day"]["cap_usd"], shown["day"]["left_usd"], shown["post_usd"]) == (1, 1, None)
    assert [(each["id"], each["cap_usd"]) for each in shown["posts"]] == [(str(post), 4)]
    assert [(each["id"], each["cap_usd"]) for each in shown["profiles"]] == [(made.json()["id"], 9)]
    await plant.client.patch("/api/settings", json={"budgets": {"day_usd": 3, "post_usd": 5}})
    assert (await plant.get("/api/budgets"))["total"] == 2
    await duties.budgets(plant.gateway, waking, releasing=True)
    assert await facts(plant, post, StageRequested) == 2


async def test_the_process_ends_cleanly_with_a_stream_open(plant: Plant) -> None:
    post = await plant.posted()
    environment = {
        **os.environ,
        "GALLEY_NATS_URL": plant.nats.url,
        "GALLEY_NATS_USER": GATEWAY,
        "GALLEY_NATS_PASSWORD": PASSWORDS[GATEWAY],
        "GALLEY_POSTGRES_DSN": plant.dsn,
        "GALLEY_SIMULATED": "claude,gemini",
        "GALLEY_FIRST_KEY": str(KEY),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.gateway", stdout=asyncio.subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    url = ""
    while not url:
        line = json.loads(await process.stdout.readline())
        url = line["url"] if line["event"] == "service.ready" else ""
    async with httpx.AsyncClient(base_url=url, headers=BEARER, timeout=20) as client:
        page = await client.get("/")
        assert "SIMULATED: claude, gemini" in page.text
        async with listening(client, f"/api/events/{post}") as listener:
            await listener.next()
            process.send_signal(signal.SIGTERM)
            assert await listener.rest() == []
    assert await process.wait() == 0
