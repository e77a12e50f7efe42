"""Writers that keep a book: what they tried to store, and what they were told is stored.

Each writes texts of its own, numbered, into a post that a rival may write into as well, and goes on
to the next text only when it knows that the last one is stored: it was told so, or has read it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain import events as e
from shared.domain.subjects import PostRef
from shared.domain.values import Stage
from shared.errors import Conflict, LogUnavailable, Unconfirmed
from shared.eventlog import Append
from shared.testing import NOW
from shared.testing.vocabulary import created, edited

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from random import Random

    from shared.domain.events import Fact
    from shared.eventlog import EventLog, History

POSTS_AT_ONCE = 8
FACTS_OF_A_POST = 30
WRITERS_OF_A_POST = (1, 1, 1, 2)
"""Most posts have one writer, else every flight would be refused and none ever rode together."""
PATIENCE_S = 45.0
"""No append and no read may take longer, whatever the server does: then it hangs."""


@dataclass(slots=True)
class Book:
    """Every append that was tried, by the facts it holds, and every sequence that was promised."""

    tried: list[tuple[Fact, ...]] = field(default_factory=list)
    promised: dict[int, Fact] = field(default_factory=dict)
    conflicts: int = 0
    unconfirmed: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def promise(self, facts: Sequence[Fact], seqs: Sequence[int]) -> None:
        self.promised.update(zip(seqs, facts, strict=True))
        self._turn()

    def failed(self, error: Conflict) -> None:
        if isinstance(error, Unconfirmed):
            self.unconfirmed.append(str(error))
            self._turn()
        else:
            self.conflicts += 1

    async def more(self, promises: int) -> None:
        """Return right after so many further facts were promised."""
        wanted = len(self.promised) + promises
        while len(self.promised) < wanted:
            await self._news.wait()

    async def doubt(self) -> str:
        """Return right after the next append of which nobody knows; why."""
        known = len(self.unconfirmed)
        while len(self.unconfirmed) == known:
            await self._news.wait()
        return self.unconfirmed[-1]

    def told(self) -> dict[str, int | float]:
        """What came of it, for people."""
        return {
            "tried": len(self.tried),
            "promised": len(self.promised),
            "conflicts": self.conflicts,
            "unconfirmed": len(self.unconfirmed),
            "longest_s": round(self.longest_s, 2),
        }

    def _turn(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@asynccontextmanager
async def writing(
    random: Random, *logs: EventLog, posts: int = POSTS_AT_ONCE
) -> AsyncIterator[Book]:
    """Posts written to at once while the context is open; what is under way then is finished.

    `logs`: the same one, as seen by the processes that the writers are in.
    """
    book, stop = Book(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for at in range(posts):
            group.create_task(_posts(logs, book, random, stop, f"w{at}"))
        try:
            yield book
        finally:
            stop.set()


async def _posts(
    logs: Sequence[EventLog], book: Book, random: Random, stop: asyncio.Event, name: str
) -> None:
    """One post after the other, each until it is full."""
    for at in count():
        if stop.is_set():
            return
        ref = PostRef("main", UUID(int=random.getrandbits(128), version=4))
        async with asyncio.TaskGroup() as group:
            for rival in range(random.choice(WRITERS_OF_A_POST)):
                log, lines = logs[(at + rival) % len(logs)], random.randrange(3)
                writer = Writer(log, book, ref, stop, f"{name}.{at}.{rival}", lines)
                group.create_task(writer.write())


class Writer:
    """One of those who write into a post. Its appends hold `lines` lines beside their fact."""

    def __init__(
        self, log: EventLog, book: Book, ref: PostRef, stop: asyncio.Event, name: str, lines: int
    ) -> None:
        self._log = log
        self._book = book
        self._ref = ref
        self._stop = stop
        self._name = name
        self._lines = lines
        self._n = 0
        self._after = 0

    async def write(self) -> None:
        text = 0
        while not self._stop.is_set() and self._n < FACTS_OF_A_POST:
            facts = self._facts(text)
            if await self._append(facts) or await self._found(facts[0]):
                text += isinstance(facts[0], e.ContentEdited)

    def _facts(self, text: int) -> tuple[Fact, ...]:
        if self._n == 0:
            return (created().model_copy(update={"post_id": self._ref.id}),)
        said = f"{self._name} {text}"
        told = edited(Stage.RESEARCH, said).model_copy(update={"post_id": self._ref.id})
        return (told, *(_line(self._ref, f"{said}.{at}") for at in range(self._lines)))

    async def _append(self, facts: Sequence[Fact]) -> bool:
        """Whether they are stored; False also when nobody knows."""
        self._book.tried.append(tuple(facts))
        append = Append(ref=self._ref, facts=facts, after=self._after, n=self._n)
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PATIENCE_S):
                seqs = await self._log.append(append)
        except Conflict as error:
            self._book.failed(error)
            return False
        finally:
            took = asyncio.get_running_loop().time() - began
            self._book.longest_s = max(self._book.longest_s, took)
        self._book.promise(facts, seqs)
        self._n, self._after = self._n + 1, seqs[0]
        return True

    async def _found(self, fact: Fact) -> bool:
        """Whether it is there after all; also learns how far the post has come meanwhile."""
        while not self._stop.is_set():
            try:
                async with asyncio.timeout(PATIENCE_S):
                    history = await self._log.read(self._ref)
            except LogUnavailable:
                continue
            return self._learned(history, fact)
        return False

    def _learned(self, history: History, fact: Fact) -> bool:
        self._n, self._after = history.post.n, history.last
        return any(found == fact for _, found in history.flow)


def _line(ref: PostRef, message: str) -> e.Progressed:
    return e.Progressed(post_id=ref.id, at=NOW, stage=Stage.RESEARCH, run=1, message=message)
