"""Every paid call goes through `once`: asked once, answered for ever, however often a worker dies.

The order is the promise: claim in the log, send, write the answer down, only then use it. An
attempt that was claimed and not ended is never repeated in silence: whoever finds it must win its
end with CallAbandoned before it may try again.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog

from shared.domain.costs import worst_case
from shared.domain.events import CallSettled, CallStarted, Progressed
from shared.domain.values import Usage
from shared.errors import Conflict, LogUnavailable, Misconfigured, Permanent, Transient
from shared.eventlog import Append
from shared.failpoints import reached
from shared.providers.port import Answer, Picture
from shared.runtime.bookkeeping import Bookkeeping, Heard, storable
from shared.runtime.outcomes import Deferred, NotActive, OverBudget

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from shared.domain.events import CallFailed, CallReused
    from shared.domain.values import Level, Provider
    from shared.errors import ProviderError
    from shared.providers.port import Model, Request
    from shared.runtime.bookkeeping import Why
    from shared.runtime.lease import Lease
    from shared.runtime.tools import Tools
    from shared.runtime.view import RunView

log = structlog.get_logger()

LOST_CLAIMS = 200
"""So often in a row a claim is made anew after somebody else wrote first."""

type Tell = Callable[[CallStarted, int, str], Awaitable[None]]


class Calls:
    """The paid calls of one run in one worker."""

    def __init__(self, view: RunView, lease: Lease, tools: Tools, tell: Tell) -> None:
        self._view = view
        self._lease = lease
        self._tools = tools
        self._tell = tell
        self._books = Bookkeeping(view, tools)
        self._under_way: set[str] = set()
        self._one_ended = asyncio.Event()
        self._unspent: dict[str, set[str]] = {}
        self._writing: set[asyncio.Task[Any]] = set()
        self.used: dict[str, CallSettled | CallReused] = {}

    async def once(
        self, key: str, request: Request, *, asking: str, level: Level = "info"
    ) -> Answer:
        """The one answer to this request within the run, paid for at most once.

        Raises `Permanent` when it failed for good, `Deferred`, `NotActive` or `Overtaken` when the
        run is to be left. A key must not be asked twice at the same time.
        """
        if key in self._unspent:
            raise ValueError(f"the call {key!r} is being asked already")
        self._unspent[key] = set()
        try:
            return await self._once(key, request, asking, level)
        finally:
            del self._unspent[key]

    async def _once(self, key: str, request: Request, asking: str, level: Level) -> Answer:
        digest = request.digest()
        while True:
            self._view.require_mine()
            settled = self._view.journal.settled(key, digest)
            if settled is not None:
                return await self._reuse(settled)
            if await self._abandoned_before(key):
                continue
            await self._wait_for_turn(key)
            self._model(request)
            if await self._waited_for(request.provider):
                continue
            try:
                answer = await self._attempt(key, request, digest, asking, level)
            except OverBudget:
                if not self._under_way:
                    raise
                await self._one_ended.wait()
                continue
            if answer is not None:
                return answer

    async def _attempt(
        self, key: str, request: Request, digest: str, asking: str, level: Level
    ) -> Answer | None:
        """Claim and pay once; None when everything is to be asked again.

        A call that does not fit a budget first lets its neighbours end: they mostly cost less than
        was held back for them, and to leave now would be to pay for them in vain.
        """
        self._under_way.add(key)
        try:
            claim = await self._claim(key, request, digest, asking, level)
            if claim is None or not await self._still_ours(claim):
                return None
            return await self._pay(claim, request, level)
        finally:
            self._under_way.discard(key)
            self._one_ended.set()
            self._one_ended = asyncio.Event()

    async def _abandoned_before(self, key: str) -> bool:
        """An attempt that somebody started and did not end: win its end first, or lose to it."""
        _, last = self._view.journal.last(key)
        if last.started is None or not last.open or last.started.token in self._unspent[key]:
            return False
        await self._books.abandon(last.started, "ambiguous after crash")
        reached("call.abandoned")
        await self._view.read_mine()
        return True

    async def _wait_for_turn(self, key: str) -> None:
        """After a failure: wait as it says, here or deferred; out of tries, fail for good."""
        failures = self._view.journal.failures(key)
        if not failures:
            return
        last = failures[-1]
        if last.wait_s is None:
            raise _for_good(last)
        due = last.at + timedelta(seconds=last.wait_s)
        left = (due - self._tools.now()).total_seconds()
        if left > self._tools.policy.patience:
            raise Deferred(due, f"{last.provider}: {last.code}")
        if left > 0:
            await asyncio.sleep(left)

    async def _waited_for(self, provider: Provider) -> bool:
        """While a provider is there for nobody, wait, here or deferred; everything is to be asked
        again afterwards."""
        left = self._tools.circuits.of(provider).shut_for()
        if left > self._tools.policy.patience:
            due = self._tools.now() + timedelta(seconds=left)
            raise Deferred(due, f"{provider} is away for everybody")
        await asyncio.sleep(left)
        return left > 0

    async def _claim(
        self, key: str, request: Request, digest: str, asking: str, level: Level
    ) -> CallStarted | None:
        """Claim the next attempt; None when the log has moved on and everything is to be asked
        again.

        After a time-out the claim may be in the log all the same: it is ours only if it carries a
        token of ours that no payment has used up.
        """
        number, last = self._view.journal.last(key)
        if last.open and last.started and last.started.token in self._unspent[key]:
            return last.started
        claim = self._started(key, number + 1, request, digest)
        self._unspent[key].add(claim.token)
        reached("call.unclaimed")
        try:
            stored = await self._whole(self._store(claim, self._line(claim, asking, level)))
            reached("call.claimed")
        except Conflict:
            await self._again(key)
            return None
        return stored

    async def _again(self, key: str) -> None:
        """Somebody wrote first: the post's flow, this claim, or a balance that others use too."""
        lost = len(self._unspent[key])
        if lost > LOST_CLAIMS:
            raise LogUnavailable(f"others were faster {lost} times in a row")
        await self._tools.budgets.pause(lost)
        await self._view.read_mine()

    async def _store(self, claim: CallStarted, line: Progressed) -> CallStarted:
        """The claim and its line, which expects the flow as read: no claim is ever stored after a
        deletion or a newer run. The view may have been read again since the caller looked."""
        view, budgets = self._view, self._tools.budgets
        async with budgets.reserved(view.ref, view.history.post, claim) as (claimed, held):
            view.require_mine()
            seqs = await self._tools.events.append(
                Append(
                    ref=view.ref,
                    facts=[claimed, line],
                    after=view.history.last,
                    cause=view.run,
                    also=held,
                )
            )
        view.note(seqs[0], claimed)
        return claimed

    async def _whole[T](self, writing: Coroutine[Any, Any, T]) -> T:
        """Written to its end even when the worker is told to stop in the middle of it."""
        task = asyncio.create_task(writing)
        self._writing.add(task)
        task.add_done_callback(self._written)
        return await asyncio.shield(task)

    def _written(self, task: asyncio.Task[Any]) -> None:
        self._writing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("call.write_ended", why=repr(error))

    def _started(self, key: str, attempt: int, request: Request, digest: str) -> CallStarted:
        tools = self._tools
        told = (request.prompt, request.system, json.dumps(request.schema or ""))
        bytes_in = sum(len(each.encode()) for each in told)
        images = 1 if request.ratio else 0
        return CallStarted(
            post_id=self._view.ref.id,
            at=tools.now(),
            stage=self._view.request.stage,
            run=self._view.run,
            key=key,
            attempt=attempt,
            token=tools.token(),
            provider=request.provider,
            model=request.model,
            request=digest,
            worst_case_usd=worst_case(
                tools.prices, request.model, bytes_in, request.max_tokens, images=images
            ),
        )

    def _line(self, claim: CallStarted, asking: str, level: Level) -> Progressed:
        return Progressed(
            post_id=claim.post_id,
            at=claim.at,
            stage=claim.stage,
            run=claim.run,
            level=level,
            message=asking,
            data={"call": claim.key, "model": claim.model, "attempt": claim.attempt},
        )

    async def _still_ours(self, claim: CallStarted) -> bool:
        """A worker that has not been heard of for long looks again before it sends anything."""
        if self._lease.fresh():
            return True
        await self._lease.confirm()
        await self._view.read_mine()
        number, last = self._view.journal.last(claim.key)
        return number == claim.attempt and last.open

    async def _pay(self, claim: CallStarted, request: Request, level: Level) -> Answer | None:
        """Send, once. None when the failure is one to try again."""
        self._unspent[claim.key].discard(claim.token)
        begun = self._tools.monotonic()
        reached("call.unsent")
        try:
            answer = await self._model(request).call(request, self._teller(claim, request))
            reached("call.answered")
            self._tools.circuits.of(request.provider).answered()
            answer = storable(answer)
            took = self._tools.monotonic() - begun
            writing = self._books.settle(claim, answer, duration_s=took, level=level)
            self.used[claim.key] = await self._whole(writing)
            reached("call.settled")
        except (Transient, Permanent) as error:
            await self._failed(claim, error)
            return None
        return answer

    def _model(self, request: Request) -> Model:
        model = self._tools.models.get(request.provider)
        if model is None:
            raise Misconfigured(f"this service has no access to {request.provider}")
        return model

    def _teller(
        self, claim: CallStarted, request: Request
    ) -> Callable[[str], Awaitable[None]] | None:
        """Passes a streamed text on, piece by piece, with its offset."""
        if not request.stream:
            return None
        sent = 0

        async def told(text: str) -> None:
            nonlocal sent
            await self._tell(claim, sent, text)
            sent += len(text)

        return told

    async def _failed(self, claim: CallStarted, error: ProviderError) -> None:
        policy, circuit = self._tools.policy, self._tools.circuits.of(claim.provider)
        counted, wait = True, None
        if isinstance(error, Transient):
            counted = circuit.failed(self._view.run, error)
        else:
            circuit.answered()
        tries = self._view.journal.tries(claim.key) + counted
        if isinstance(error, Transient) and tries < policy.max_attempts:
            wait = policy.wait(max(1, tries), error.retry_after, self._tools.jitter())
        heard = Heard(tries=tries, max_attempts=policy.max_attempts, wait_s=wait, counted=counted)
        await self._whole(self._books.fail(claim, error, heard))

    async def _reuse(self, settled: CallSettled | CallReused) -> Answer:
        """A settled answer, as it was; its pictures come back from the media store."""
        self.used[settled.key] = settled
        pictures = []
        for blob in settled.blobs:
            data = await self._tools.media.get(blob.name)
            if data is None:
                raise Permanent(
                    f"the picture {blob.name} is gone from the media store",
                    code="media_missing",
                    call=settled.key,
                )
            pictures.append(Picture(data=data, media_type=blob.media_type))
        usage = settled.usage if isinstance(settled, CallSettled) else Usage(model="")
        return Answer(
            text=settled.text or "",
            usage=usage,
            sources=settled.sources,
            pictures=tuple(pictures),
        )

    async def written(self) -> None:
        """Wait for the ends that are being written."""
        if self._writing:
            await asyncio.wait(self._writing)

    async def leave(self) -> None:
        """The run was closed under us: name what was in flight, unless the post is gone."""
        await self.written()
        try:
            await self._view.read()
        except NotActive:
            return
        post = self._view.history.post
        if not post.deleted:
            await self._abandon("cancelled" if post.cancelled else "superseded")
        await self._books.catch_up()

    async def abandon_open(self, why: Why) -> None:
        """Stop in the middle: what is being written is written, what is in flight is given up."""
        await self.written()
        await self._view.read_mine()
        await self._abandon(why)

    async def catch_up(self) -> None:
        """Book what the workers before this one had no time to book."""
        if self._view.delivery > 1:
            await self._books.catch_up()

    async def bury(self) -> None:
        """Name what the workers before this one left open when they died."""
        await self._abandon("ambiguous after crash")

    async def _abandon(self, why: Why) -> None:
        for claim in self._view.journal.open():
            await self._books.abandon(claim, why)


def _for_good(failed: CallFailed) -> Permanent:
    return Permanent(
        failed.message,
        code=failed.code,
        status=failed.status,
        raw=failed.raw,
        call=failed.key,
        attempts=failed.tries,
    )
