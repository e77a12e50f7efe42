"""Everything the log keeps of a post, at one sequence: the facts, and what they add up to.

Read from the log alone, so that the same post at the same sequence is the same archive, whoever
makes it and however far the rows have come.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from services.gateway.insight import ledgers
from services.gateway.posts.present import View
from services.gateway.posts.views import told
from services.gateway.web.problems import NotYet
from shared.domain.events import Progressed, Recorded
from shared.domain.evolve import fold
from shared.domain.outputs import outputs
from shared.errors import NoSuchPost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from services.gateway.context import Gateway
    from shared.domain.events import PostEvent
    from shared.domain.journal import Entry
    from shared.domain.subjects import PostRef
    from shared.eventlog import History, Stored


class Archive(NamedTuple):
    view: View
    events: bytes


async def archive(gateway: Gateway, ref: PostRef) -> Archive:
    """A post's archive. Raises `NoSuchPost`, `NotYet`, `LogUnavailable`."""
    last = await gateway.events.last(ref)
    stored = [each async for each in gateway.events.story(ref)]
    until = stored[-1].seq if stored else 0
    if last is not None and until < last.seq:
        raise NotYet(last.seq)
    history = await gateway.views.history(ref)
    lines = [Recorded(each.seq, each.fact) for each in stored if isinstance(each.fact, Progressed)]
    facts = _up_to((*history.flow, *history.calls, *lines), until)
    view = at(history, told(facts), until)
    if view.post.deleted:
        raise NoSuchPost
    return Archive(view, b"".join(_line(each, each.fact) for each in stored if each.fact))


def at(history: History, entries: Sequence[Entry], until: int) -> View:
    """The post as it was at a sequence, exactly."""
    flow, calls = _up_to(history.flow, until), _up_to(history.calls, until)
    return View(
        post=fold(flow), texts=outputs(flow), entries=tuple(entries), calls=ledgers.lines(calls)
    )


def _up_to(facts: Iterable[Recorded], until: int) -> list[Recorded]:
    return [recorded for recorded in facts if recorded.seq <= until]


def _line(stored: Stored, fact: PostEvent) -> bytes:
    """One fact as it is stored, on one line."""
    told = {
        "seq": stored.seq,
        "subject": stored.subject,
        "type": fact.type,
        "at": fact.at.isoformat(),
        "data": json.loads(stored.data),
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
