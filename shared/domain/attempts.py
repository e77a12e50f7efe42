"""The journal of a run's paid calls, read: what is free, what is open, how often it was tried.

Pure functions over recorded facts. The runtime asks them after every read, so that a crash, a
redelivery and a second worker all come to the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from shared.domain.events import (
    BudgetExceeded,
    CallAbandoned,
    CallFailed,
    CallReused,
    CallSettled,
    CallSettledLate,
    CallStarted,
    PipelineStarted,
    StageDeferred,
    StageFailed,
    StageRequested,
    StageStarted,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shared.domain.events import AnyEnd, Recorded

MAX_DEATHS = 3
"""So many deliveries in a row may end without a newly settled call; the next one gives up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one call: its claim, how it ended, and a bill that came late."""

    started: CallStarted | None = None
    started_at: int = 0
    ended: AnyEnd | None = None
    ended_at: int = 0
    late: CallSettledLate | None = None

    @property
    def open(self) -> bool:
        return self.started is not None and self.ended is None


class Link(NamedTuple):
    """A run on the way back through `resumes`. `counts`: failures there still use up tries.

    `failed_call` is the call that this run's StageFailed names.
    """

    run: int
    failed_call: str | None
    counts: bool


def lineage(flow: Sequence[Recorded], run: int) -> tuple[Link, ...]:
    """The run itself, then the runs it continues, nearest first."""
    requests = {seq: fact for seq, fact in flow if isinstance(fact, StageRequested)}
    links, counts = [Link(run, None, counts=True)], True
    while (request := requests.get(links[-1].run)) and request.resumes is not None:
        if request.resumes >= links[-1].run:
            break
        ending = _ending(flow, request.resumes)
        waited = isinstance(ending, StageDeferred | BudgetExceeded)
        counts = counts and waited and not _asked(flow, request.resumes, links[-1].run)
        named = ending.call if isinstance(ending, StageFailed) else None
        links.append(Link(request.resumes, named, counts))
    return tuple(links)


def _asked(flow: Sequence[Recorded], after: int, before: int) -> bool:
    """A person started the later run: a run that merely was due is requested without ceremony."""
    return any(isinstance(fact, PipelineStarted) and after < seq < before for seq, fact in flow)


def _ending(flow: Sequence[Recorded], run: int) -> object:
    """The fact that ended a run by name; None when it was cancelled or replaced."""
    return next(
        (
            fact
            for _, fact in flow
            if isinstance(fact, StageFailed | StageDeferred | BudgetExceeded) and fact.run == run
        ),
        None,
    )


class CallJournal:
    """Every call fact read for a run and the runs it continues."""

    def __init__(self, links: Sequence[Link], facts: Iterable[Recorded]) -> None:
        self._links = links
        self._attempts: dict[tuple[int, str], dict[int, Attempt]] = {}
        self._deliveries: list[Recorded] = []
        self._last_settled = 0
        for recorded in facts:
            self.take(recorded)

    @property
    def run(self) -> int:
        return self._links[0].run

    def take(self, recorded: Recorded) -> None:
        """Add one more fact: read from the log, or just written by this worker."""
        seq, fact = recorded
        if isinstance(fact, StageStarted):
            if fact.run == self.run:
                self._deliveries.append(recorded)
            return
        if not isinstance(
            fact,
            CallStarted | CallSettled | CallFailed | CallAbandoned | CallReused | CallSettledLate,
        ):
            return
        tries = self._attempts.setdefault((fact.run, fact.key), {})
        before = tries.get(fact.attempt, Attempt())
        tries[fact.attempt] = _with(before, seq, fact)
        if fact.run == self.run and _is_progress(fact):
            self._last_settled = max(self._last_settled, seq)

    def delivery(self) -> int:
        """The newest delivery of this run; 0 when nobody has started it."""
        return max((_delivery(each) for each in self._deliveries), default=0)

    def delivery_of(self, worker: str) -> int | None:
        """The newest delivery that this very worker journaled; None when it journaled none."""
        mine = (
            fact.delivery
            for _, fact in self._deliveries
            if isinstance(fact, StageStarted) and fact.worker == worker
        )
        return max(mine, default=None)

    def deaths(self) -> int:
        """Deliveries since the last settled call: each ended without one, and not by handing
        back."""
        return sum(seq > self._last_settled for seq, _ in self._deliveries)

    def settled(self, key: str, request: str) -> CallSettled | CallReused | None:
        """The free answer to this very request, own run first; None when it has to be paid for."""
        named: set[str] = set()
        for link in self._links:
            if link.failed_call is not None:
                named.add(link.failed_call)
            until = min(self._until(link), self._cut(link.run, named))
            for attempt in self._tries(link.run, key):
                answer = attempt.ended
                if (
                    isinstance(answer, CallSettled | CallReused)
                    and answer.request == request
                    and answer.text is not None
                    and attempt.ended_at < until
                ):
                    return answer
        return None

    def _until(self, link: Link) -> float:
        """What an earlier run settled after this run was asked for is not this run's to use."""
        return float("inf") if link.run == self.run else self.run

    def _cut(self, run: int, named: set[str]) -> float:
        """Where the first call that a failure names begins: from there on nothing is free."""
        begins = (attempt.started_at for key in named for attempt in self._tries(run, key))
        return min(begins, default=float("inf"))

    def _tries(self, run: int, key: str) -> Iterator[Attempt]:
        attempts: Mapping[int, Attempt] = self._attempts.get((run, key), {})
        return (attempts[number] for number in sorted(attempts))

    def last(self, key: str) -> tuple[int, Attempt]:
        """The newest attempt of a call in this run, and its number; 0 when there is none."""
        attempts = self._attempts.get((self.run, key), {})
        number = max(attempts, default=0)
        return number, attempts.get(number, Attempt())

    def end(self, key: str, attempt: int) -> AnyEnd | None:
        """How an attempt of this run ended; None when it has not."""
        return self._attempts.get((self.run, key), {}).get(attempt, Attempt()).ended

    def tries(self, key: str) -> int:
        """How many failures count against the policy."""
        return sum(failed.counted for failed in self.failures(key))

    def failures(self, key: str) -> tuple[CallFailed, ...]:
        """The failed attempts since a person last asked, oldest first, deferred runs included."""
        runs = [link.run for link in reversed(self._links) if link.counts]
        ended = (attempt.ended for run in runs for attempt in self._tries(run, key))
        return tuple(fact for fact in ended if isinstance(fact, CallFailed))

    def open(self) -> tuple[CallStarted, ...]:
        """Attempts of this run that were started and not ended, in order of their claim."""
        mine = (
            attempt
            for (run, _), tries in self._attempts.items()
            if run == self.run
            for attempt in tries.values()
            if attempt.open
        )
        claims = sorted(mine, key=lambda attempt: attempt.started_at)
        return tuple(attempt.started for attempt in claims if attempt.started is not None)

    def under_budget(self) -> tuple[Attempt, ...]:
        """Attempts of this run that were reserved in a budget and have ended."""
        return tuple(
            attempt
            for (run, _), tries in self._attempts.items()
            if run == self.run
            for attempt in tries.values()
            if attempt.started is not None and attempt.started.scopes and attempt.ended is not None
        )

    def settled_calls(self) -> tuple[CallSettled, ...]:
        """What this run itself paid for and got, in order."""
        ended = (
            (attempt.ended_at, attempt.ended)
            for (run, _), tries in self._attempts.items()
            if run == self.run
            for attempt in tries.values()
        )
        settled = [(seq, fact) for seq, fact in ended if isinstance(fact, CallSettled)]
        return tuple(fact for _, fact in sorted(settled, key=lambda each: each[0]))

    def started_at(self) -> Recorded | None:
        """The first delivery of this run."""
        return min(self._deliveries, key=lambda each: each.seq, default=None)


def _with(before: Attempt, seq: int, fact: CallStarted | AnyEnd | CallSettledLate) -> Attempt:
    if isinstance(fact, CallStarted):
        return replace(before, started=fact, started_at=seq)
    if isinstance(fact, CallSettledLate):
        return replace(before, late=fact)
    return replace(before, ended=fact, ended_at=seq)


def _is_progress(fact: object) -> bool:
    """A settled call is progress; so is handing a run back on purpose, which is no death."""
    if isinstance(fact, CallAbandoned):
        return fact.reason == "drained"
    return isinstance(fact, CallSettled)


def _delivery(recorded: Recorded) -> int:
    return recorded.fact.delivery if isinstance(recorded.fact, StageStarted) else 0
