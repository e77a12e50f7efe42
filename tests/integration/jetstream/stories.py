"""What these tests write: posts of any id, and messages nobody should have written."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from nats.protocol.command import hpub_cmd

from shared.domain import events as e
from shared.domain.subjects import PostRef, subject_of
from shared.domain.upcast import encode
from shared.domain.values import Stage
from shared.eventlog import Append
from shared.testing import NOW
from shared.testing.vocabulary import created, requested, started

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.events import Fact, Recorded
    from shared.eventlog import EventLog
    from shared.jetstream import Connection


def new_post() -> PostRef:
    return PostRef("main", uuid4())


def of[F: Fact](ref: PostRef, fact: F) -> F:
    """The same fact about this post."""
    return fact.model_copy(update={"post_id": ref.id})


async def begin(log: EventLog, ref: PostRef) -> int:
    """A post whose research is requested; the run."""
    facts = [
        of(ref, created()),
        of(ref, started(Stage.RESEARCH)),
        of(ref, requested(Stage.RESEARCH)),
    ]
    return (await log.append(Append(ref=ref, facts=facts, after=0)))[-1]


def claim(ref: PostRef, key: str = "answer", attempt: int = 1) -> e.CallStarted:
    return e.CallStarted(
        post_id=ref.id,
        at=NOW,
        stage=Stage.RESEARCH,
        run=1,
        key=key,
        attempt=attempt,
        token=uuid4().hex,
        provider="perplexity",
        model="a-model",
        request="a digest",
        worst_case_usd=0.5,
    )


def line(ref: PostRef, message: str) -> e.Progressed:
    return e.Progressed(post_id=ref.id, at=NOW, stage=Stage.RESEARCH, run=1, message=message)


def facts_of(recorded: Sequence[Recorded]) -> list[Fact]:
    return [fact for _, fact in recorded]


def envelope(fact: Fact, producer: str, **changes: str) -> dict[str, str]:
    kind = str(type(fact).model_fields["type"].default)
    told = {"Galley-Type": kind, "Galley-Version": "1", "Galley-Producer": producer}
    return told | {name.replace("_", "-"): value for name, value in changes.items()}


def following(ref: PostRef, seq: int) -> dict[str, str]:
    """Headers of a message that follows this sequence of the post's flow."""
    expected = "Nats-Expected-Last-Subject-Sequence"
    return {expected: str(seq), f"{expected}-Subject": ref.flow}


async def forge(
    connection: Connection,
    ref: PostRef,
    fact: Fact,
    n: int = 0,
    *,
    headers: dict[str, str] | None = None,
    data: bytes | None = None,
) -> int:
    """Write a message as this user, past the log; its sequence."""
    told = envelope(fact, connection.user) if headers is None else headers
    body = encode(fact) if data is None else data
    subject = subject_of(ref, fact, n)
    ack = await connection.nc.jetstream().publish(subject, body, headers=told or None)
    return ack.seq


async def forge_raw(connection: Connection, subject: str, headers: bytes, data: bytes) -> None:
    """Write a message with just these header bytes."""
    block = b"NATS/1.0\r\n" + headers + b"\r\n\r\n"
    await connection.nc._send_command(hpub_cmd(subject, "", block, data))
    await heard(connection)


async def heard(connection: Connection) -> None:
    """Return when the server has taken in everything said before.

    The client writes a PING past its own buffer: the first answer may come before what was
    buffered, the second cannot.
    """
    await connection.nc.flush()
    await connection.nc.flush()
