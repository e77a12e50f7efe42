"""The event log as the rest of the code sees it: read a post, append to it, follow everything.

An append is stored whole or not at all. Whoever appends says what it has read (`after`); when
somebody was faster, nothing is stored and `Conflict` is raised: read again, decide again.
`shared/jetstream` keeps these promises on a NATS server, `shared/testing/memory` in a dictionary;
one contract test holds both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.domain.evolve import fold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from shared.domain.documents import DocRef, Document, Kind, Standing, Unreadable, Version
    from shared.domain.events import Fact, PostEvent, Recorded, StageRequested
    from shared.domain.post import Post
    from shared.domain.subjects import PostRef
    from shared.domain.values import Stage

MAX_FACT_BYTES = 512 * 1024
"""The cap on one stored fact; images and other big things go to the media store."""


@dataclass(frozen=True)
class History:
    """A post as it was read: all its flow facts and the asked-for call facts, in log order."""

    ref: PostRef
    flow: tuple[Recorded, ...] = ()
    calls: tuple[Recorded, ...] = ()

    @cached_property
    def post(self) -> Post:
        return fold(self.flow)

    @property
    def last(self) -> int:
        """The sequence of the last flow fact; 0 for an unknown post."""
        return self.flow[-1].seq if self.flow else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A message outside the post that an append carries along: it must be new at `subject`
    (`expected` 0), or follow exactly the message `expected` there."""

    subject: str
    data: bytes
    expected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Facts of one post to be stored together, in this order.

    `after` is the sequence of the last flow fact the writer has read (0: none); the append is
    refused when the post's flow has moved on. None asks nothing of the flow: only for facts that
    are true whatever happened to the post (an attempt's end, a delivery, a progress line). `n` is
    the number of the first flow fact in `facts`. Each call fact must be new at its own subject,
    always. An append with `after` and without flow facts must hold a Progressed, which carries the
    expectation. `calls` is the sequence of the last message of the post's call journal the writer
    has read; the append is refused when the journal has moved on. None asks nothing of it; anything
    else needs a Progressed beside a flow fact, to carry it. `cause` is the sequence of the fact
    that led to this one.
    """

    ref: PostRef
    facts: Sequence[Fact]
    after: int | None = None
    n: int = 0
    cause: int = 0
    calls: int | None = None
    also: Sequence[Guarded] = field(default=())


class CallJournal(NamedTuple):
    """Every call fact of a post, in log order, and the sequence of the journal's last message."""

    facts: tuple[Recorded, ...]
    reaches: int


def distinct(appends: Sequence[Append]) -> frozenset[str]:
    """What these appends touch. Raises `ValueError` when two of them touch the same: the server
    compares expectations with what stood there before, so both would be stored."""
    touched = [
        subject
        for append in appends
        for subject in (append.ref.prefix, *(other.subject for other in append.also))
    ]
    if len(found := frozenset(touched)) != len(touched):
        raise ValueError("two appends of one post, or of one guarded subject, at once")
    return found


class Reading(NamedTuple):
    """What came of reading a message as a fact."""

    fact: PostEvent | None = None
    problem: str = ""
    too_new: bool = False


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One message of the log, as the tail sees it; read as a fact when somebody first asks.

    `fact` is None when the message is no fact of a post (a slug, a document, a balance: then
    `problem` is empty) or cannot be read (`problem` says why; `too_new` when newer code could).
    """

    seq: int
    subject: str
    data: bytes
    ref: PostRef | None = None
    read: Callable[[], Reading] = field(default=Reading, compare=False, repr=False)
    stored_at: datetime | None = None
    trace: str = ""

    @cached_property
    def _reading(self) -> Reading:
        return self.read()

    @property
    def fact(self) -> PostEvent | None:
        return self._reading.fact

    @property
    def problem(self) -> str:
        return self._reading.problem

    @property
    def too_new(self) -> bool:
        return self._reading.too_new


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """Which log this is, and how far it reaches."""

    identity: str
    first: int
    last: int


class EventLog(Protocol):
    async def read(self, ref: PostRef, calls: Sequence[tuple[Stage, int]] = ()) -> History:
        """The post's whole flow, verified, and the call facts of the named runs, in one round trip.

        An unknown post is an empty history. Raises `TooNew`, `LogUnavailable`.
        """
        ...

    async def last(self, ref: PostRef) -> Recorded | None:
        """The post's last flow fact; None for an unknown post. Cheaper than `read`."""
        ...

    async def append(self, append: Append) -> tuple[int, ...]:
        """Store all or nothing; the sequences given, in order (facts first, then `also`).

        Raises `Conflict` (nothing stored), `Unconfirmed` (nobody knows), `TooLarge`.
        """
        ...

    async def say(self, ref: PostRef, line: Fact) -> None:
        """Store one progress line, without expectation; a repeat of the same line is stored
        once."""
        ...

    def tail(self, after: int) -> AsyncIterator[Sequence[Stored]]:
        """Every message after `after`, in order, without gap or duplicate, for ever, in batches.

        Survives restarts of the server. Yields an empty batch about every two seconds of silence.
        """
        ...

    async def state(self) -> LogState:
        """Raises `LogUnavailable`."""
        ...

    def story(self, ref: PostRef) -> AsyncIterator[Stored]:
        """Every message the log keeps of a post, in order, up to its end at about now.

        Nothing is verified or left out: for people and archives; to decide on a post, `read` it.
        Raises `LogUnavailable`.
        """
        ...

    async def stored(self, seq: int) -> Stored | None:
        """The message at a sequence; None when it was purged or never was."""
        ...


class Accounts(Protocol):
    """The event log as those need it who keep budgets."""

    async def append(self, append: Append) -> tuple[int, ...]:
        """As in `EventLog`."""
        ...

    async def calls(self, ref: PostRef) -> CallJournal:
        """The post's whole call journal, verified. Raises `TooNew`, `LogUnavailable`."""
        ...

    async def latest(self, subjects: Sequence[str]) -> Mapping[str, Stored]:
        """The last message of each of these subjects (at most 1,000) that has one, in one round
        trip. Raises `LogUnavailable`."""
        ...


class PostLog(EventLog, Accounts, Protocol):
    """The event log as those need it who make posts and delete them."""

    async def append_all(self, appends: Sequence[Append]) -> tuple[tuple[int, ...], ...]:
        """Store appends of different posts together or not at all; the sequences of each, in order.

        Raises what `append` raises, and `ValueError` when two of them touch the same post or
        guarded subject.
        """
        ...

    async def newest(self, subject: str) -> Stored | None:
        """The last message at a subject; None when there is none."""
        ...


class Delivery(Protocol):
    """One StageRequested, lent to this worker until it is acked or its time runs out."""

    @property
    def ref(self) -> PostRef: ...

    @property
    def seq(self) -> int:
        """The sequence of the StageRequested: the run."""
        ...

    @property
    def request(self) -> StageRequested: ...

    async def still_working(self) -> None:
        """Prolong the loan, confirmed by the server. Raises `LogUnavailable` when it did not
        answer."""
        ...

    async def ack(self) -> None:
        """Settle. Never raises for a server that is away: correctness does not rest on it."""
        ...

    async def hand_back(self, delay: float = 0.0) -> None:
        """Give it up, to be delivered again after `delay` seconds."""
        ...


class Inbox(Protocol):
    async def fetch(self, most: int) -> Sequence[Delivery]:
        """Up to `most` requests; an empty list after about two seconds without any.

        What is no valid request is terminated with an alarm, what is newer than this code is handed
        back; neither is returned. Raises `LogUnavailable`.
        """
        ...


class Media(Protocol):
    async def put(self, name: str, data: bytes) -> None:
        """Store bytes under a name; storing the same bytes again changes nothing."""
        ...

    async def get(self, name: str) -> bytes | None:
        """The bytes, verified against their digest; None when there are none."""
        ...

    async def remove(self, prefix: str) -> int:
        """Remove every object whose name begins with `prefix`; how many there were."""
        ...


class Erasure(Protocol):
    async def erase(self, ref: PostRef, below: int) -> int:
        """Take out of the log what a deleted post has said: everything of it that stands before
        sequence `below`, and all its progress lines; how many messages that were.

        Raises `LogUnavailable`.
        """
        ...

    async def release(self, subject: str, seq: int) -> int:
        """Take the claim at `seq` off this subject, and nothing that followed it."""
        ...


class Documents(Protocol):
    """Profiles, settings, rules and keys. Reads raise `LogUnavailable`.

    What cannot be read hides nothing: the version below it is the newest one.
    """

    async def standing(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Standing]:
        """How each of these (at most 1,000) stands that was ever written, in one round trip; one
        more for each unreadable thing on the way."""
        ...

    async def latest(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Version]:
        """The newest readable version of each of these, deleted ones too."""
        ...

    async def at(self, ref: DocRef, seq: int) -> Version | None:
        """The version of this document that stands at a sequence. Raises `Malformed`, `TooNew`."""
        ...

    async def every(self, tenant: str, kind: Kind) -> Sequence[Version]:
        """The newest readable version of every document of a kind, deleted ones too, in log
        order."""
        ...

    async def everywhere(self, kind: Kind) -> Sequence[Standing]:
        """How every document of a kind stands, of all tenants, in log order."""
        ...

    async def history(self, ref: DocRef) -> Sequence[Version]:
        """Every readable version, oldest first."""
        ...

    async def page(
        self, ref: DocRef, limit: int, before: int = 0
    ) -> Sequence[Version | Unreadable]:
        """What was written before a sequence (0: all of it), newest first, also the unreadable."""
        ...

    async def write(self, ref: DocRef, document: Document, after: int) -> int:
        """Store the version that follows `after` (0: the first one); its sequence.

        Raises `Conflict` (nothing stored), `Unconfirmed` (nobody knows), `TooLarge`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """A piece of a text as it is being written: never stored, replaced by the durable text.

    `offset` counts the characters of this attempt that came before this piece.
    """

    stage: Stage
    run: int
    key: str
    attempt: int
    offset: int
    text: str


class Live(Protocol):
    async def publish(self, ref: PostRef, tokens: Tokens) -> None:
        """Tell whoever is watching, if anybody. Never raises, never waits for anyone."""
        ...

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[tuple[PostRef, Tokens]]]:
        """All live tokens of all posts while the context is open; a slow reader misses pieces."""
        ...
