"""Deleting a post: a tombstone with the closing ledger, written when nothing can slip past it.

The ledger is what the call journal said when it was read, and the tombstone is stored only if both
the post and that journal still end where they were read. What the post has said is erased by the
eraser; late work is dropped by whoever did it.
"""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, Response

from services.gateway.context import Wired
from services.gateway.control.commands import TRIES, chosen, gave_up, pause
from services.gateway.control.deciding import SEQUENCE, Key, spelled
from services.gateway.web import ids
from services.gateway.web.documented import WRITTEN
from services.gateway.web.preconditions import Expected, IfMatch
from shared.domain.commands import DeletePost
from shared.domain.events import Progressed, Recorded
from shared.domain.ledger import closing, ledger
from shared.domain.values import ORDER
from shared.errors import Conflict
from shared.eventlog import Append, History
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from services.gateway.control.commands import Clock
    from shared.domain.events import AnyFlow
    from shared.domain.subjects import PostRef
    from shared.domain.values import CommandRef
    from shared.eventlog import CallJournal, PostLog

router = APIRouter(prefix="/api/posts", tags=["posts"])


@router.delete("/{post_id}", status_code=204, responses=WRITTEN)
async def delete_post(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> None:
    """Delete a post and everything it said. What it has cost stays on the books."""
    ref = gateway.ref(post_id)
    by = ids.command_ref(gateway, ref, idempotency_key, spelled("delete"))
    stored = await delete(gateway.events, ref, by, gateway.clock, expected=if_match)
    response.headers[SEQUENCE] = str(stored.last)


async def delete(
    events: PostLog,
    ref: PostRef,
    by: CommandRef,
    clock: Clock,
    *,
    expected: Expected | None = None,
) -> History:
    """Decide and store; the history with its tombstone. Raises `Refused`, `Contended`,
    `LogUnavailable`."""
    lost: Conflict | None = None
    for attempt in range(TRIES + 1):
        history = await events.read(ref)
        journal = await events.calls(ref)
        now = clock()
        facts = chosen(history.post, _command(ref, by, journal), now, expected)
        if not facts:
            return history
        if attempt == TRIES:
            break
        try:
            return await _stored(events, history, journal, facts, now)
        except Conflict as conflict:
            lost = conflict
        await pause(attempt)
    raise gave_up(lost) from lost


def _command(ref: PostRef, by: CommandRef, journal: CallJournal) -> DeletePost:
    book = ledger(journal.facts)
    return DeletePost(
        post_id=ref.id,
        by=by,
        spent=closing(book),
        counted=tuple(dict.fromkeys(bill.name for bill in book.bills)),
        open=tuple(each.call for each in book.unconfirmed if each.open),
    )


async def _stored(
    events: PostLog,
    history: History,
    journal: CallJournal,
    facts: Sequence[AnyFlow],
    now: datetime,
) -> History:
    append = Append(
        ref=history.ref,
        facts=[_fence(history.ref, now), *facts],
        after=history.last,
        n=history.post.n,
        calls=journal.reaches,
    )
    reached("gateway.decided")
    _, *sequences = await events.append(append)
    reached("gateway.stored")
    stored = tuple(Recorded(seq, fact) for seq, fact in zip(sequences, facts, strict=True))
    return History(history.ref, (*history.flow, *stored))


def _fence(ref: PostRef, now: datetime) -> Progressed:
    """The line that carries what is expected of the calls; nobody is shown it."""
    return Progressed(
        post_id=ref.id, at=now, stage=ORDER[0], run=0, level="debug", message="the post is deleted"
    )
