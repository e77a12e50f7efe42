"""A command becomes facts: read, decide, append; when somebody was faster, read and decide again.

Only facts are written that `decide` chose for exactly the history they follow. An unnamed approval
or rejection is bound, once, to the review that its first read finds open. A command that the
history already answers is done.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from services.gateway.web.refusals import Contended, Refused
from shared.domain.commands import ApproveStage, RejectStage
from shared.domain.decide import answered, decide
from shared.domain.events import Recorded
from shared.errors import Conflict, GalleyError, LogUnavailable, Rejected, Unconfirmed
from shared.eventlog import Append, History
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from services.gateway.web.preconditions import Expected
    from shared.domain.commands import AnyCommand
    from shared.domain.events import AnyFlow
    from shared.domain.post import Post
    from shared.domain.subjects import PostRef
    from shared.eventlog import EventLog, Guarded

type Clock = Callable[[], datetime]

TRIES = 10
_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.5


class Done(NamedTuple):
    """What a command came to: the post's history, and whether this very call wrote its end."""

    history: History
    stored: bool


async def execute(
    events: EventLog,
    ref: PostRef,
    command: AnyCommand,
    clock: Clock,
    *,
    also: Sequence[Guarded] = (),
    tries: int = TRIES,
    supposed: History | None = None,
    expected: Expected | None = None,
) -> Done:
    """Decide and store; the history with what was stored.

    `expected` holds for the very history that is decided on, unless that has answered the command
    before: a repeat is told what the first was told.
    `supposed` is decided on first, unread: what is written says what it follows, so a wrong guess
    is a conflict and costs one more round. Raises `Refused`; `Contended` when others were faster
    `tries` times; `LogUnavailable`.
    """
    history = supposed or await events.read(ref)
    command = _bound(command, history.post)
    lost: Conflict | None = None
    for attempt in range(tries + 1):
        facts = chosen(history.post, command, clock(), expected)
        if not facts:
            return Done(history, stored=False)
        if attempt == tries:
            break
        try:
            return Done(await _stored(events, history, facts, also), stored=True)
        except Conflict as conflict:
            lost = conflict
        await pause(attempt)
        history = await events.read(ref)
    raise gave_up(lost) from lost


def gave_up(lost: Conflict | None) -> GalleyError:
    if isinstance(lost, Unconfirmed):
        return LogUnavailable("the log did not confirm what was written; try again")
    return Contended()


def _bound(command: AnyCommand, post: Post) -> AnyCommand:
    if isinstance(command, ApproveStage | RejectStage) and command.review is None and post.review:
        return replace(command, review=post.review.seq)
    return command


def chosen(
    post: Post, command: AnyCommand, now: datetime, expected: Expected | None
) -> list[AnyFlow]:
    try:
        if expected is not None and post.n and not post.deleted and not answered(post, command):
            expected.require(post)
        return decide(post, command, now)
    except Rejected as reason:
        raise Refused(reason, post) from reason


async def _stored(
    events: EventLog, history: History, facts: Sequence[AnyFlow], also: Sequence[Guarded]
) -> History:
    append = Append(
        ref=history.ref, facts=facts, after=history.last, n=history.post.n, also=tuple(also)
    )
    reached("gateway.decided")
    sequences = await events.append(append)
    reached("gateway.stored")
    stored = tuple(Recorded(seq, fact) for seq, fact in zip(sequences, facts, strict=False))
    return History(history.ref, (*history.flow, *stored))


async def pause(attempt: int) -> None:
    """Spread those who collided, longer each time."""
    longest = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)
    await asyncio.sleep(random.uniform(0, longest))  # noqa: S311  guards nothing
