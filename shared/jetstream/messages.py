"""A fact as a message and back: strictly, because anybody who reaches the server can write to it.

A message is a fact only if its subject, its headers, its content and its producer agree.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from shared.domain.events import FlowFact, Progressed
from shared.domain.subjects import check_place, place_of, subject_of
from shared.domain.upcast import decode, encode
from shared.errors import Malformed, TooLarge, TooNew
from shared.eventlog import MAX_FACT_BYTES, Reading, Stored
from shared.jetstream.client import DUPLICATED
from shared.jetstream.requests import SEQUENCE
from shared.jetstream.rights import producer_may

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nats.aio.msg import Msg

    from shared.domain.events import Fact, PostEvent
    from shared.domain.subjects import Place, PostRef
    from shared.eventlog import Append, Guarded

TYPE: Final = "Galley-Type"
VERSION: Final = "Galley-Version"
CAUSE: Final = "Galley-Cause"
PRODUCER: Final = "Galley-Producer"
TRACE: Final = "traceparent"
EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OVER: Final = "Nats-Expected-Last-Subject-Sequence-Subject"
BATCH: Final = "Nats-Batch-Id"
BATCH_PLACE: Final = "Nats-Batch-Sequence"
BATCH_COMMIT: Final = "Nats-Batch-Commit"
MESSAGE_ID: Final = "Nats-Msg-Id"
STORED_AT: Final = "Nats-Time-Stamp"
SUBJECT: Final = "Nats-Subject"

MAX_APPEND: Final = 5000
"""The server's limit on one batch (see `server_config`)."""

type Headers = dict[str, str]


class Message(NamedTuple):
    """Something to be stored."""

    subject: str
    data: bytes
    headers: Headers


class Item(NamedTuple):
    """A stored message, as the server hands it out."""

    seq: int
    subject: str
    data: bytes
    headers: Mapping[str, str]
    at: datetime | None = None


def sealed(subject: str, fact: Fact, producer: str, cause: int = 0, trace: str = "") -> Message:
    """A fact with its envelope. Raises `TooLarge`."""
    kind = cast("PostEvent", fact).type
    headers = {TYPE: kind, VERSION: str(fact.VERSION), PRODUCER: producer}
    if cause:
        headers[CAUSE] = str(cause)
    if trace:
        headers[TRACE] = trace
    return Message(subject, _within_cap(subject, encode(fact)), headers)


def _within_cap(subject: str, data: bytes) -> bytes:
    if len(data) > MAX_FACT_BYTES:
        raise TooLarge(f"{len(data)} bytes for {subject}; {MAX_FACT_BYTES} are allowed")
    return data


def messages(append: Append, after: int | None, producer: str, trace: str) -> list[Message]:
    """Everything one append stores, in order, with its expectations.

    Raises `TooLarge`, and `ValueError` for an expectation that nothing can carry.
    """
    ref, n, fenced, told = append.ref, append.n, after is None, list[Message]()
    bearer = FlowFact if any(isinstance(f, FlowFact) for f in append.facts) else Progressed
    journal = append.calls
    for fact in append.facts:
        message = sealed(subject_of(ref, fact, n), fact, producer, append.cause, trace)
        if not fenced and isinstance(fact, bearer):
            fenced = True
            _expect(message, after, ref.flow)
        elif journal is not None and bearer is FlowFact and isinstance(fact, Progressed):
            _expect(message, journal, ref.journal)
            journal = None
        elif not isinstance(fact, FlowFact | Progressed):
            message.headers[EXPECTED] = "0"
        n += isinstance(fact, FlowFact)
        told.append(message)
    if not fenced or journal is not None:
        raise ValueError("an append after a sequence needs a flow fact or a line to carry it")
    told.extend(_guarded(other, producer, trace) for other in append.also)
    if len(told) > MAX_APPEND:
        raise TooLarge(f"{len(told)} messages in one append; {MAX_APPEND} are allowed")
    return told


def _expect(message: Message, last: int | None, over: str) -> None:
    message.headers[EXPECTED], message.headers[EXPECTED_OVER] = str(last), over


def _guarded(other: Guarded, producer: str, trace: str) -> Message:
    headers = {PRODUCER: producer, EXPECTED: str(other.expected)}
    if trace:
        headers[TRACE] = trace
    return Message(other.subject, _within_cap(other.subject, other.data), headers)


def item_of(msg: Msg) -> Item:
    """A stored message out of an answer to a direct read."""
    headers = msg.headers or {}
    at = headers.get(STORED_AT)
    stored_at = None if at is None else datetime.fromisoformat(at)
    return Item(int(headers[SEQUENCE]), headers[SUBJECT], msg.data, headers, stored_at)


def fact_of(item: Item, place: Place | None = None) -> PostEvent:
    """The fact an item is. Raises `Malformed` or `TooNew`."""
    place = place or place_of(item.subject)
    version = _version(item)
    fact = decode(item.headers[TYPE], version, item.data)
    check_place(fact, place, item.subject)
    producer = item.headers.get(PRODUCER, "")
    if not producer_may(producer, item.subject):
        raise Malformed(f"{producer[:64]!r} has no right to {item.subject[:200]}")
    return fact


def _version(item: Item) -> int:
    if TYPE not in item.headers or DUPLICATED in item.headers:
        raise Malformed(f"no proper envelope on {item.subject[:200]}")
    version = item.headers.get(VERSION, "")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise Malformed(f"{version[:20]!r} is no version, on {item.subject[:200]}")
    return int(version)


def stored_of(item: Item) -> Stored:
    """An item as a follower sees it: never an error, what is wrong stands in `problem`."""
    ref: PostRef | None = None
    read: Callable[[], Reading] = Reading
    if item.subject.startswith("posts."):
        try:
            place = place_of(item.subject)
            ref, read = place.post, partial(_read, item, place)
        except Malformed as error:
            read = partial(Reading, None, str(error))
    return Stored(
        seq=item.seq,
        subject=item.subject,
        data=item.data,
        ref=ref,
        read=read,
        stored_at=item.at,
        trace=item.headers.get(TRACE, ""),
    )


def _read(item: Item, place: Place) -> Reading:
    try:
        return Reading(fact_of(item, place))
    except (Malformed, TooNew) as error:
        return Reading(None, str(error), isinstance(error, TooNew))
