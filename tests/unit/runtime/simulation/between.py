"""A post on the bench whose research is delivered in virtual time, with somebody between it and the
log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.values import Stage, Usage
from tests.unit.runtime.bench import MODEL, Bench, Model
from tests.unit.runtime.simulation.virtual_time import lived

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.domain.events import Fact, PostEvent, Recorded
    from shared.domain.subjects import PostRef
    from shared.eventlog import Append, History
    from shared.providers.port import Answer
    from shared.runtime.desk import StageFunction

USAGE = Usage(model=MODEL, tokens_in=1000, tokens_out=200)


class Between:
    """The log, with somebody standing between it and the worker."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        return await self.bench.memory.read(ref, calls)

    async def last(self, ref: PostRef) -> Recorded | None:
        return await self.bench.memory.last(ref)

    async def say(self, ref: PostRef, line: Fact) -> None:
        await self.bench.memory.say(ref, line)

    async def append(self, append: Append) -> tuple[int, ...]:
        return await self.bench.memory.append(append)


def only[F: PostEvent](facts: Sequence[PostEvent], kind: type[F]) -> list[F]:
    return [fact for fact in facts if isinstance(fact, kind)]


def told(
    function: StageFunction,
    *answers: Answer | Exception,
    log: Callable[[Bench], Between] | None = None,
    deliveries: int = 1,
) -> tuple[Bench, list[PostEvent]]:
    """A post whose research is delivered so often, in virtual time; everything that was stored."""
    bench = Bench(Model(list(answers)))

    async def life() -> list[PostEvent]:
        await bench.create()
        if log is not None:
            bench.log = log(bench)  # type: ignore[assignment]
        delivery = await bench.delivery()
        for _ in range(deliveries):
            await bench.runner(Stage.RESEARCH, function).handle(delivery)
        return await bench.facts()

    return bench, lived(life())
