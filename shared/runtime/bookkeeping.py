"""How an attempt ends in the log: settled, failed, abandoned or late; exactly one of the first
three.

An answer is written down before anything else happens to it. Whoever finds the end already written
by somebody else has lost: its answer is never used, but its bill is booked.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal

import structlog

from shared.domain.costs import price
from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallSettled,
    CallSettledLate,
    Progressed,
)
from shared.domain.text import clean
from shared.domain.values import Blob
from shared.errors import (
    Conflict,
    LogUnavailable,
    Misconfigured,
    Permanent,
    TooLarge,
    TooNew,
    Transient,
)
from shared.eventlog import MAX_FACT_BYTES, Append
from shared.failpoints import reached
from shared.runtime.outcomes import NotActive, Overtaken
from shared.runtime.patience import TRIES, patiently, pause

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.events import AnyEnd, CallStarted, Fact
    from shared.domain.values import Level, Source, Usage
    from shared.errors import ProviderError
    from shared.eventlog import Media
    from shared.providers.port import Answer, Picture
    from shared.runtime.tools import Tools
    from shared.runtime.view import RunView

log = structlog.get_logger()

type Why = Literal["ambiguous after crash", "cancelled", "drained", "superseded"]
LONGEST = 2_000
"""Messages and raw answers of failures are cut to so many characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How a failed attempt is told: which try it was, of how many, the wait before the next, and
    whether it counts."""

    tries: int
    max_attempts: int
    wait_s: float | None
    counted: bool = True


class Bookkeeping:
    """Writes the ends of one run's attempts."""

    def __init__(self, view: RunView, tools: Tools) -> None:
        self._view = view
        self._events = tools.events
        self._media = tools.media
        self._prices = tools.prices
        self._now = tools.now
        self._budgets = tools.budgets

    async def settle(
        self, claim: CallStarted, answer: Answer, *, duration_s: float, level: Level
    ) -> CallSettled:
        """Write the answer down. Raises `Overtaken` when the attempt was ended by somebody else,
        `NotActive` when the post was deleted; the bill is booked in both cases. Raises `Permanent`
        when the answer is larger than a fact may be: then it is a failure that has cost something.
        """
        if blobs := await self._store(claim, answer.pictures):
            reached("call.pictured")
        settled = CallSettled(
            **_name(claim),
            at=self._now(),
            provider=claim.provider,
            request=claim.request,
            text=answer.text,
            sources=answer.sources,
            blobs=blobs,
            usage=answer.usage,
            cost_usd=self._cost(claim, answer.usage),
            prices=self._prices.version,
            duration_s=duration_s,
            request_id=answer.request_id,
        )
        try:
            await self._write(claim, settled, _line(settled, level))
        except TooLarge:
            raise _too_large(settled) from None
        return settled

    async def fail(self, claim: CallStarted, error: ProviderError, heard: Heard) -> CallFailed:
        """Write the failure down, with what it cost all the same and what it may have cost."""
        failed = CallFailed(
            **_name(claim),
            at=self._now(),
            provider=claim.provider,
            code=error.code,
            message=clean(str(error))[:LONGEST],
            status=error.status,
            transient=isinstance(error, Transient),
            max_attempts=heard.max_attempts,
            tries=heard.tries,
            wait_s=heard.wait_s,
            counted=heard.counted,
            usage=None if error.usage is None else cleaned(error.usage),
            cost_usd=0.0 if error.unsure else self._cost(claim, error.usage),
            unconfirmed_usd=claim.worst_case_usd if error.unsure else 0.0,
            prices=self._prices.version,
            raw=clean(error.raw)[:LONGEST],
            request_id=clean(error.request_id or "")[:LONGEST],
        )
        await self._write(claim, failed, _failure_line(failed))
        return failed

    async def abandon(self, claim: CallStarted, why: Why) -> bool:
        """Give an attempt up whose end nobody knows. False when it has ended after all."""
        abandoned = CallAbandoned(
            **_name(claim), at=self._now(), reason=why, worst_case_usd=claim.worst_case_usd
        )
        return await self._lone(claim, abandoned)

    async def catch_up(self) -> None:
        """Book the ended attempts of this run, which whoever ended them may not have done."""
        for attempt in self._view.journal.under_budget():
            if attempt.started is not None and attempt.ended is not None:
                late = () if attempt.late is None else (attempt.late,)
                await self._budgets.booked(self._view.ref, attempt.started, attempt.ended, *late)

    async def _lone(self, claim: CallStarted, fact: AnyEnd | CallSettledLate) -> bool:
        """A fact that is true whatever became of the post. False when its place is taken."""
        append = self._append([fact], fenced=False)
        try:
            await patiently(lambda: self._events.append(append), f"{fact.type} of {fact.key}")
        except Conflict:
            return False
        await self._budgets.booked(self._view.ref, claim, fact)
        return True

    async def _write(
        self, claim: CallStarted, ended: CallSettled | CallFailed, line: Progressed
    ) -> None:
        """In the log first, and alone; then in the budgets that it was reserved in."""
        await self._written(claim, ended, line)
        await self._budgets.booked(self._view.ref, claim, ended)

    async def _written(
        self, claim: CallStarted, ended: CallSettled | CallFailed, line: Progressed
    ) -> None:
        """The end of an attempt rides with a line that expects the flow as read: what a provider
        said is never stored after a deletion, only its bill."""
        for tries in range(TRIES):
            if self._view.history.post.deleted:
                await self._bill_only(claim, ended)
                raise NotActive(deleted=True)
            try:
                seqs = await self._events.append(self._append([ended, line], fenced=True))
            except (Conflict, LogUnavailable) as error:
                log.info("call.end_unwritten", call=claim.key, why=str(error))
                if await self._resolved(claim, ended, tries):
                    return
            else:
                self._view.note(seqs[0], ended)
                return
        raise LogUnavailable(f"the end of {claim.name} could not be written in {TRIES} tries")

    async def _resolved(
        self, claim: CallStarted, ended: CallSettled | CallFailed, tries: int
    ) -> bool:
        """True when this end stands in the log, False to write it again.

        A post that newer code has written to cannot be judged by this one: the bill is booked.
        """
        try:
            await self._view.read()
        except LogUnavailable:
            await asyncio.sleep(pause(tries))
            return False
        except TooNew:
            await self._lone(claim, _bill(ended))
            raise
        return await self._is_written(claim, ended)

    async def _is_written(self, claim: CallStarted, ended: CallSettled | CallFailed) -> bool:
        """True when the end in the log is this one. Another one: book the bill, and stop."""
        stands = self._view.journal.end(claim.key, claim.attempt)
        if stands is None:
            return False
        if stands.token == claim.token and not isinstance(stands, CallAbandoned):
            return True
        await self._book_late(claim, ended)
        raise Overtaken

    async def _book_late(self, claim: CallStarted, ended: CallSettled | CallFailed) -> None:
        """A bill that is not known is none: the attempt stays unconfirmed."""
        if isinstance(ended, CallFailed) and ended.unconfirmed_usd:
            return
        late = CallSettledLate(
            **_name(claim),
            at=self._now(),
            provider=claim.provider,
            usage=ended.usage,
            cost_usd=ended.cost_usd,
            prices=ended.prices,
            request_id=ended.request_id,
        )
        if not await self._lone(claim, late):
            log.info("call.late_bill_known", post=str(claim.post_id), call=claim.key)

    async def _bill_only(self, claim: CallStarted, ended: CallSettled | CallFailed) -> None:
        """The post is deleted: keep what was paid, drop what was said."""
        if isinstance(ended, CallSettled):
            for blob in ended.blobs:
                await self._media.remove(blob.name)
        if not await self._lone(claim, _bill(ended)):
            log.info("call.bill_known", post=str(ended.post_id), call=ended.key)

    async def _store(self, claim: CallStarted, pictures: Sequence[Picture]) -> tuple[Blob, ...]:
        """Raw bytes go to the media store first; the fact then names them."""
        return tuple([await self._stored(claim, each) for each in pictures])

    async def _stored(self, claim: CallStarted, picture: Picture) -> Blob:
        return await patiently(
            lambda: keep(self._media, claim.post_id, picture.data, picture.media_type),
            f"the picture of {claim.key}",
        )

    def _append(self, facts: Sequence[Fact], *, fenced: bool) -> Append:
        after = self._view.history.last if fenced else None
        return Append(ref=self._view.ref, facts=facts, after=after, cause=self._view.run)

    def _cost(self, claim: CallStarted, usage: Usage | None) -> float:
        """An answer that names a model we have no price for costs what the model asked for
        costs."""
        if usage is None:
            return 0.0
        try:
            return price(self._prices, usage)
        except Misconfigured:
            log.warning("call.unpriced_model", answered=usage.model, asked=claim.model)
            return price(self._prices, usage.model_copy(update={"model": claim.model}))


def _too_large(settled: CallSettled) -> Permanent:
    return Permanent(
        f"the answer is larger than the {MAX_FACT_BYTES // 1024} KB one fact may be",
        code="too_large",
        usage=settled.usage,
        request_id=settled.request_id,
        raw=(settled.text or "")[:LONGEST],
    )


def storable(answer: Answer) -> Answer:
    """The answer as the log can hold it: a paid answer must never fail to be written down."""
    return replace(
        answer,
        text=clean(answer.text),
        request_id=clean(answer.request_id)[:LONGEST],
        usage=cleaned(answer.usage),
        sources=tuple(cleaned(each) for each in answer.sources),
    )


def cleaned[T: (Usage, Source)](value: T) -> T:
    """Every text in it as every store can hold it."""
    texts = {name: clean(each) for name, each in value if isinstance(each, str)}
    return value.model_copy(update=texts)


async def keep(media: Media, post_id: object, data: bytes, media_type: str) -> Blob:
    """Store bytes under the post and their digest; storing them again changes nothing."""
    digest = await asyncio.to_thread(lambda: sha256(data).hexdigest())
    blob = Blob(name=f"{post_id}/{digest}", digest=digest, size=len(data), media_type=media_type)
    await media.put(blob.name, data)
    return blob


def _name(claim: CallStarted) -> dict[str, Any]:
    return {
        "post_id": claim.post_id,
        "stage": claim.stage,
        "run": claim.run,
        "key": claim.key,
        "attempt": claim.attempt,
        "token": claim.token,
    }


def _bill(ended: CallSettled | CallFailed) -> CallSettled | CallFailed:
    """What is left of an end when its content must not be stored."""
    if isinstance(ended, CallSettled):
        return ended.model_copy(update={"text": None, "sources": (), "blobs": ()})
    return ended.model_copy(update={"message": "", "raw": ""})


def _failure_line(failed: CallFailed) -> Progressed:
    """For the record only: people are told of a failure by the failure itself."""
    return Progressed(
        post_id=failed.post_id,
        at=failed.at,
        stage=failed.stage,
        run=failed.run,
        level="debug",
        message=f"{failed.provider} failed: {failed.code}",
        data={"call": failed.key},
    )


def _line(settled: CallSettled, level: Level) -> Progressed:
    usage = settled.usage
    message = (
        f"{usage.model} answered: {usage.tokens_in:,} tokens in, {usage.tokens_out:,} out, "
        f"{settled.duration_s:.1f} s, ${settled.cost_usd:.4f}"
    )
    return Progressed(
        post_id=settled.post_id,
        at=settled.at,
        stage=settled.stage,
        run=settled.run,
        level=level,
        message=message,
        data={"call": settled.key, "cost_usd": settled.cost_usd},
    )
