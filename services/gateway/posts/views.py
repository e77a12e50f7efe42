"""One post, never older than the log: from its rows, or folded from the log when they are behind.

With the projector stopped and with Postgres away a post is still answered, whole (but for progress
lines, should the rows be thousands of messages behind); with the log away, from its rows as far as
they go.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from services.gateway.insight import ledgers
from services.gateway.posts.present import View
from services.gateway.rows import ReadModelAway
from shared.domain.events import StageRequested
from shared.domain.journal import journal
from shared.domain.outputs import outputs
from shared.errors import LogUnavailable, NoSuchPost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.gateway.rows import PostRows, ReadModel
    from services.gateway.streams.past import Past
    from shared.domain.events import Recorded
    from shared.domain.journal import Entry
    from shared.domain.subjects import PostRef
    from shared.eventlog import EventLog, History
    from shared.runtime.health import Check

log = structlog.get_logger()


class Views:
    """`away` tells why the log cannot be asked now: then nobody waits for it to refuse."""

    def __init__(
        self, events: EventLog, rows: ReadModel, past: Past, away: Check = lambda: None
    ) -> None:
        self._away = away
        self._events = events
        self._rows = rows
        self._past = past

    async def view(self, ref: PostRef, min_seq: int = 0) -> View:
        """The post as it is now, with what was told and paid up to `min_seq`.

        Raises `NoSuchPost`, `LogUnavailable`.
        """
        reached = await self.reach(min_seq)
        rows = await self._projected(ref)
        try:
            last = await self._last(ref)
        except LogUnavailable:
            if rows is None or rows.post.deleted:
                raise
            return _of_rows(rows)
        if last is None:
            raise NoSuchPost
        if rows is not None and reached and not rows.behind and rows.seq >= last.seq:
            return _existing(_of_rows(rows))
        return _existing(await self._folded(ref, rows, min_seq))

    async def _last(self, ref: PostRef) -> Recorded | None:
        if why := self._away():
            raise LogUnavailable(why)
        return await self._events.last(ref)

    async def reach(self, seq: int) -> bool:
        """The rows reach so far: also lines and calls, which a post's last step says nothing of."""
        if not seq:
            return True
        try:
            return await self._rows.position() >= seq
        except ReadModelAway:
            return False

    def begun(self, history: History) -> View:
        """The post as its creation has just left it: nothing was asked, paid or told before."""
        return _of_log(history, None)

    async def after(self, history: History) -> View:
        """The post as this history has it."""
        return _of_log(await self._with_calls(history), await self._projected(history.ref))

    async def _folded(self, ref: PostRef, rows: PostRows | None, min_seq: int) -> View:
        """From the log, progress lines included unless the rows are very far behind."""
        history = await self.history(ref)
        view, until = _of_log(history, rows), max(history.last, min_seq)
        lines: list[Entry] = []
        try:
            async with aclosing(self._past.of(ref.tenant).entries(ref.id, 0, until)) as pages:
                async for page in pages:
                    lines += [entry for _, entry in page]
        except (LogUnavailable, ReadModelAway) as error:
            log.warning("gateway.lines_missing", why=str(error))
            return view
        return replace(view, entries=tuple(lines))

    async def history(self, ref: PostRef) -> History:
        """Everything the log keeps of a post: its flow and all its calls. Raises `NoSuchPost`."""
        history = await self._events.read(ref)
        if not history.flow:
            raise NoSuchPost
        return await self._with_calls(history)

    async def _with_calls(self, history: History) -> History:
        runs = [(fact.stage, seq) for seq, fact in history.flow if isinstance(fact, StageRequested)]
        return await self._events.read(history.ref, runs) if runs else history

    async def _projected(self, ref: PostRef) -> PostRows | None:
        try:
            return await self._rows.post(ref)
        except ReadModelAway as error:
            log.warning("gateway.read_model_away", why=str(error.__cause__))
            return None


def _existing(view: View) -> View:
    if view.post.deleted:
        raise NoSuchPost
    return view


def _of_rows(rows: PostRows) -> View:
    return View(rows.post, rows.texts, rows.entries, rows.calls)


def _of_log(history: History, rows: PostRows | None) -> View:
    facts = [*history.flow, *history.calls]
    known = {entry.seq: entry for entry in (rows.entries if rows else ())}
    known |= {entry.seq: entry for entry in told(facts)}
    return View(
        post=history.post,
        texts=outputs(history.flow),
        entries=tuple(known[seq] for seq in sorted(known)),
        calls=ledgers.lines(history.calls),
    )


def told(facts: Iterable[Recorded]) -> tuple[Entry, ...]:
    """What people are told about these facts, in order."""
    entries = (journal(recorded) for recorded in sorted(facts, key=lambda each: each.seq))
    return tuple(entry for entry in entries if entry is not None)
