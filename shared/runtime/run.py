"""One delivery of one StageRequested, from first look to acknowledgement.

Taken if the run is open, worked on while it stays open, ended by exactly one fact, acked last.
Whatever happens in between, nothing that was paid is lost and nothing ends in silence.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from shared.domain.attempts import MAX_DEATHS
from shared.domain.commands import CompleteStage
from shared.domain.decide import decide
from shared.domain.events import StageStarted
from shared.errors import Conflict, LogError, LogUnavailable, ProviderError, TooLarge, TooNew
from shared.eventlog import Append, Tokens
from shared.failpoints import reached
from shared.runtime import reports
from shared.runtime.calls import Calls
from shared.runtime.lease import Lease
from shared.runtime.outcomes import Deferred, NotActive, OverBudget, Overtaken
from shared.runtime.table import Table
from shared.runtime.view import NotInHistory, RunView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.commands import StageCommand
    from shared.domain.events import CallStarted, Fact
    from shared.domain.subjects import PostRef
    from shared.domain.values import ModelSettings, Stage
    from shared.eventlog import Delivery, Live
    from shared.runtime.calls import Tell
    from shared.runtime.desk import StageFunction
    from shared.runtime.rules import Rulebook
    from shared.runtime.tools import Tools

log = structlog.get_logger()

TRIES = 50
"""So often a start or an outcome is decided again after somebody else wrote first."""
WRITES_IN_DRAIN = 10.0
"""Seconds a drained run may take to write down what it leaves open."""
LATER = 2.0
UPGRADE = 30.0
"""Seconds before a message comes back that this worker could not handle, or is too old for."""


class StageRunner:
    """Runs deliveries of one stage, any number at once."""

    def __init__(
        self,
        stage: Stage,
        function: StageFunction,
        *,
        tools: Tools,
        live: Live,
        rules: Rulebook,
        settings: ModelSettings,
        worker: str,
    ) -> None:
        self.stage = stage
        self._function = function
        self._tools = tools
        self._live = live
        self._rules = rules
        self._settings = settings
        self._worker = worker

    async def handle(self, delivery: Delivery) -> None:
        """Work on one delivery to its end. Raises nothing but cancellation (the drain)."""
        reached("run.fetched")
        try:
            await self._handle(delivery)
        except Overtaken:
            log.info("run.overtaken", post=str(delivery.ref.id), run=delivery.seq)
        except NotInHistory as error:
            log.error("run.request_not_in_history", post=str(delivery.ref.id), why=str(error))  # noqa: TRY400
            await delivery.hand_back(UPGRADE)
        except TooNew as error:
            log.error("run.too_new", post=str(delivery.ref.id), why=str(error))  # noqa: TRY400
            await delivery.hand_back(UPGRADE)
        except LogError as error:
            log.warning("run.log_away", post=str(delivery.ref.id), why=str(error))
            await delivery.hand_back(LATER)
        except Exception:
            log.exception("run.crashed", post=str(delivery.ref.id), run=delivery.seq)
            await delivery.hand_back(LATER)

    async def _handle(self, delivery: Delivery) -> None:
        view = RunView(self._tools.events, delivery.ref, delivery.seq, delivery.request)
        lease = Lease(delivery, self._tools.events, self._tools.policy, self._tools.monotonic)
        calls = Calls(view, lease, self._tools, self._teller(delivery.ref))
        try:
            if await self._take(view, calls):
                await self._work(view, lease, calls)
        except NotActive as closed:
            view.reach(closed.seen)
            await calls.leave()
        except (Overtaken, LogError):
            await calls.written()
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(delivery, calls))
            raise
        reached("run.finished")
        await delivery.ack()
        reached("run.acked")

    async def _give_back(self, delivery: Delivery, calls: Calls) -> None:
        """Drained in the middle: what is in flight is given up by name, the message goes back."""
        try:
            async with asyncio.timeout(WRITES_IN_DRAIN):
                await calls.abandon_open("drained")
        except Overtaken:
            return
        except (LogError, NotActive, TimeoutError) as error:
            log.warning("run.drain_unwritten", post=str(delivery.ref.id), why=str(error))
        await delivery.hand_back()

    async def _take(self, view: RunView, calls: Calls) -> bool:
        """True when this delivery is to work; then its start is in the log. Raises `NotActive`."""
        token = f"{self._worker}/{self._tools.token()}"
        for _ in range(TRIES):
            await view.read()
            reached("run.read")
            if not view.active:
                raise NotActive(deleted=view.history.post.deleted, seen=view.history.last)
            if (mine := view.journal.delivery_of(token)) is not None:
                view.delivery = mine
                return True
            if view.journal.deaths() >= MAX_DEATHS:
                await calls.bury()
                await self._finish(view, reports.died(view))
                await calls.leave()
                return False
            if await self._start(view, token):
                await calls.catch_up()
                return True
        raise LogUnavailable(f"the start of run {view.run} could not be written")

    async def _start(self, view: RunView, token: str) -> bool:
        started = StageStarted(
            post_id=view.ref.id,
            at=self._tools.now(),
            stage=self.stage,
            run=view.run,
            delivery=view.journal.delivery() + 1,
            worker=token,
        )
        try:
            seqs = await self._tools.events.append(
                Append(ref=view.ref, facts=[started], cause=view.run)
            )
        except Conflict:
            return False
        reached("run.started")
        view.note(seqs[0], started)
        view.delivery = started.delivery
        return True

    async def _work(self, view: RunView, lease: Lease, calls: Calls) -> None:
        """The stage function beside the heartbeat; whichever ends first decides."""
        working = asyncio.create_task(self._outcome(view, calls))
        beating = asyncio.create_task(lease.keep())
        try:
            await asyncio.wait((working, beating), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                beating.result()
            command, lines = working.result()
        finally:
            await _ended(working, beating)
        await self._finish(view, command, lines)
        if not isinstance(command, CompleteStage):
            await calls.leave()

    async def _outcome(self, view: RunView, calls: Calls) -> tuple[StageCommand, Sequence[Fact]]:
        """What the run came to, as a command; what merely leaves the run is raised."""
        policy = self._tools.policy
        limit = asyncio.timeout(policy.stage_deadline)
        desk: Table | None = None
        command: StageCommand
        try:
            rules = await self._rules.text(view.ref.tenant, view.request.rules)
            desk = Table(view, calls, self._tools, rules, self._settings)
            async with limit:
                work = await self._function(desk)
            now = self._tools.now()
            done = reports.completed(view, work, calls.used.values(), now)
            return done, reports.closing_lines(view, work, now)
        except (NotActive, Overtaken, LogError):
            raise
        except Deferred as wait:
            command = reports.deferred(view, wait)
        except OverBudget as over:
            command = reports.over_budget(view, over.refusal)
        except ProviderError as error:
            first = desk.first_key if desk else None
            command = reports.failed(view, error, first, policy.max_attempts)
        except Exception as error:
            if limit.expired():
                command = reports.too_late(view, policy.stage_deadline)
            else:
                log.exception("run.bug", post=str(view.ref.id), stage=self.stage)
                command = reports.bug(view, error)
        await calls.abandon_open("cancelled")
        return command, ()

    async def _finish(
        self, view: RunView, command: StageCommand, lines: Sequence[Fact] = ()
    ) -> None:
        """Write the outcome. After a conflict: read, decide again, never call again."""
        for _ in range(TRIES):
            post = view.history.post
            facts = decide(post, command, self._tools.now())
            if not facts:
                return
            append = Append(
                ref=view.ref,
                facts=[*lines, *facts],
                after=view.history.last,
                n=post.n,
                cause=view.run,
            )
            try:
                reached("run.unfinished")
                view.reach((await self._tools.events.append(append))[-1])
            except Conflict:
                await view.read()
            except TooLarge as error:
                command, lines = reports.bug(view, error), ()
            else:
                return
        raise LogUnavailable(f"the outcome of run {view.run} could not be written")

    def _teller(self, ref: PostRef) -> Tell:
        async def tell(claim: CallStarted, offset: int, text: str) -> None:
            tokens = Tokens(
                stage=claim.stage,
                run=claim.run,
                key=claim.key,
                attempt=claim.attempt,
                offset=offset,
                text=text,
            )
            await self._live.publish(ref, tokens)

        return tell


async def _ended(*tasks: asyncio.Task[object]) -> None:
    """Cancel and wait; how they ended was looked at before, or does not matter any more."""
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
