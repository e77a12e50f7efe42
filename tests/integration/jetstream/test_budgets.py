"""Fifty callers in several workers' clothes share one budget on a real server."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain.balances import decode_balance, usd
from shared.domain.commands import CreatePost, RunStage
from shared.domain.costs import price, worst_case
from shared.domain.decide import decide
from shared.domain.documents import Document, settings_ref
from shared.domain.events import BudgetExceeded, CallSettled, CallStarted, StageRequested
from shared.domain.post import Post
from shared.domain.subjects import MAIN, PostRef
from shared.domain.values import ModelSettings, PostConfig, Stage, Usage
from shared.eventlog import Append
from shared.jetstream import open_documents, open_log
from shared.providers.port import Answer, Request
from shared.providers.prices import load_prices
from shared.runtime.budgets import Budgets
from shared.runtime.desk import Work
from shared.runtime.policy import Policy
from shared.runtime.rules import Rulebook
from shared.runtime.run import StageRunner
from shared.runtime.tools import Tools
from shared.testing.memory import MemoryLive, MemoryMedia

if TYPE_CHECKING:
    from pydantic import JsonValue

    from shared.domain.commands import AnyCommand
    from shared.jetstream import Connection, JetStreamLog
    from shared.providers.port import OnText
    from shared.runtime.desk import Desk
    from tests.integration.jetstream.server import GalleyNats

POSTS, WORKERS, CALLS = 50, 4, 7
MODEL = "claude-sonnet-5-5"
PRICES = load_prices()
DEAREST = Usage(model=MODEL, tokens_in=20, tokens_out=1_000)
WORST = usd(worst_case(PRICES, MODEL, 40, 1_000))
REFS = [PostRef(MAIN, UUID(int=500 + number)) for number in range(POSTS)]


class Till:
    """A model as expensive as it may be; it keeps the bill."""

    def __init__(self) -> None:
        self.charged = Decimal(0)

    async def call(self, request: Request, on_text: OnText | None = None) -> Answer:  # noqa: ARG002
        self.charged += usd(price(PRICES, DEAREST))
        await asyncio.sleep(0)
        return Answer(text=request.prompt, usage=DEAREST)


class Delivery:
    """A request as an inbox lends it."""

    def __init__(self, ref: PostRef, seq: int, request: StageRequested) -> None:
        self.ref, self.seq, self.request = ref, seq, request

    async def still_working(self) -> None: ...

    async def ack(self) -> None: ...

    async def hand_back(self, delay: float = 0.0) -> None:
        raise AssertionError(f"handed back for {delay} s")


async def work(desk: Desk) -> Work:
    request = Request(provider="claude", model=MODEL, prompt="a topic", max_tokens=1_000)
    return Work(output=(await desk.ask("draft", request, asking="?")).text, summary="Done")


def runner(connection: Connection, till: Till, number: int) -> StageRunner:
    log, documents = open_log(connection, "research"), open_documents(connection, "research")
    tokens, jitter = itertools.count(), random.Random(number).random
    tools = Tools(
        events=log,
        media=MemoryMedia(),
        models={"claude": till},
        prices=PRICES,
        policy=Policy(),
        now=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
        jitter=jitter,
        token=lambda: f"{number}-{next(tokens)}",
        budgets=Budgets(log, documents, day_usd=None, monotonic=time.monotonic, jitter=jitter),
    )
    return StageRunner(
        Stage.RESEARCH,
        work,
        tools=tools,
        live=MemoryLive(),
        rules=Rulebook("", documents, Stage.RESEARCH),
        settings=ModelSettings(provider="claude", model=MODEL),
        worker=f"w{number}",
    )


async def begun(log: JetStreamLog, ref: PostRef) -> Delivery:
    """A post whose research was asked for."""
    config = PostConfig(topic="Puppies", slug=f"p{ref.id.int}")
    commands: list[AnyCommand] = [
        CreatePost(post_id=ref.id, config=config, start=False),
        RunStage(post_id=ref.id, stage=Stage.RESEARCH),
    ]
    for command in commands:
        history = await log.read(ref)
        post = history.post if history.flow else Post()
        facts = decide(post, command, datetime.now(UTC))
        await log.append(Append(ref=ref, facts=facts, after=history.last, n=post.n))
    seq, request = (await log.read(ref)).flow[-1]
    assert isinstance(request, StageRequested)
    return Delivery(ref, seq, request)


async def test_fifty_posts_in_four_workers_share_a_budget_for_seven_calls(
    gateway: Connection, log: JetStreamLog, galley_nats: GalleyNats
) -> None:
    cap, till = CALLS * WORST, Till()
    content: dict[str, JsonValue] = {"values": {"budgets": {"day_usd": float(cap)}}}
    document = Document(actor="p", at=datetime.now(UTC), content=content)
    await open_documents(gateway, "gateway").write(settings_ref(MAIN), document, 0)
    deliveries = await asyncio.gather(*(begun(log, ref) for ref in REFS))
    async with AsyncExitStack() as stack:
        workers = [
            runner(await stack.enter_async_context(galley_nats.connect("research")), till, number)
            for number in range(WORKERS)
        ]
        pairs = zip(deliveries, itertools.cycle(workers), strict=False)
        await asyncio.gather(*(worker.handle(delivery) for delivery, worker in pairs))
    histories = [
        await log.read(ref, [(Stage.RESEARCH, d.seq)])
        for ref, d in zip(REFS, deliveries, strict=True)
    ]
    facts = [fact for each in histories for _, fact in (*each.flow, *each.calls)]
    paid = [fact for fact in facts if isinstance(fact, CallSettled)]
    over = [fact for fact in facts if isinstance(fact, BudgetExceeded)]
    claims = [fact for fact in facts if isinstance(fact, CallStarted)]
    assert till.charged == sum(usd(fact.cost_usd) for fact in paid) <= cap
    assert len(paid) >= CALLS
    assert (len(paid) + len(over), len(claims)) == (POSTS, len(paid))
    (name,) = {scope for claim in claims for scope in claim.scopes}
    subject = f"budgets.{MAIN}.{name}"
    balance = decode_balance((await log.latest([subject]))[subject].data)
    assert (balance.spent_usd, balance.reserved, balance.unconfirmed) == (till.charged, {}, {})
