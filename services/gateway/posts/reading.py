"""Answers as fresh as the client asked for: `min_seq` waits, a little, for the log or the rows."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from services.gateway.posts import present
from services.gateway.rows import ReadModelAway
from services.gateway.web.answers import CallRead, EntryPage, PostPage, PostPart, PostSummary
from services.gateway.web.problems import BeyondLog, NotYet
from shared.domain.status import CONTENT_FIELDS
from shared.domain.values import ORDER
from shared.errors import NoSuchPost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from services.gateway.context import Gateway
    from services.gateway.posts.present import View
    from services.gateway.rows import Listed
    from services.gateway.web.schemas import EntryFilter, PostFilter
    from shared.domain.journal import Entry
    from shared.domain.values import Stage

_LOOK_AGAIN_S = 0.05


async def one(gateway: Gateway, post_id: UUID, min_seq: int = 0) -> View:
    """A post, never older than the log. Raises `NoSuchPost`, `NotYet`."""
    if min_seq:
        await _patiently(gateway, min_seq, gateway.feed.reached)
    return await gateway.views.view(gateway.ref(post_id), min_seq)


async def many(gateway: Gateway, asked: PostFilter) -> PostPage:
    """A page of posts, as far as they are projected. Raises `NotYet`, `ReadModelAway`."""
    await projected(gateway, asked.min_seq)
    wanted = [stage for stage in ORDER if CONTENT_FIELDS[stage] in asked.fields]
    listed = await gateway.rows.posts(gateway.tenant, asked, wanted)
    return PostPage(
        items=_items(listed, asked),
        total=listed.total,
        page=asked.page,
        per_page=asked.per_page,
        pages=-(-listed.total // asked.per_page),
    )


def _items(listed: Listed, asked: PostFilter) -> list[PostSummary] | list[PostPart]:
    if not asked.fields:
        return [present.summary(post) for post in listed.posts]
    nothing: dict[Stage, str] = {}
    return [
        present.part(post, listed.texts.get(post.id, nothing) if post.id else nothing, asked.fields)
        for post in listed.posts
    ]


async def entries(gateway: Gateway, post_id: UUID, asked: EntryFilter) -> EntryPage:
    """Lines of a post's execution log, in order; those not yet projected come from the log.

    Whichever they come from, none is told before all that stand in front of it, so a cursor passes
    none over.
    """
    if asked.min_seq:
        await _patiently(gateway, asked.min_seq, gateway.feed.reached)
    found = await _rows_of(gateway, post_id, asked)
    if found is None:
        found = await _told(gateway, post_id, asked)
    page, more = found[: asked.limit], len(found) > asked.limit
    return EntryPage(
        items=[present.entry(entry) for entry in page], next=page[-1].seq if more else None
    )


async def calls(gateway: Gateway, post_id: UUID, min_seq: int = 0) -> list[CallRead]:
    """Every attempt of a paid call, in the order they were claimed."""
    return list((await one(gateway, post_id, min_seq)).calls)


async def _rows_of(gateway: Gateway, post_id: UUID, asked: EntryFilter) -> list[Entry] | None:
    """The wanted entries, and one more, from rows alone; None: the log has to be asked too."""
    last = await gateway.events.last(gateway.ref(post_id))
    if last is None:
        raise NoSuchPost
    try:
        if not await gateway.rows.current(gateway.ref(post_id), last.seq):
            return None
        if not await gateway.views.reach(asked.min_seq):
            return None
        return list(await gateway.rows.entries(post_id, asked, asked.limit + 1))
    except ReadModelAway:
        return None


async def _told(gateway: Gateway, post_id: UUID, asked: EntryFilter) -> list[Entry]:
    """The wanted entries from rows as far as they go, then from the log: none is passed over."""
    view = await gateway.views.view(gateway.ref(post_id))
    found: list[Entry] = []
    begin, until = asked.cursor or 0, max(view.post.last, asked.min_seq)
    async with aclosing(gateway.past.entries(post_id, begin, until)) as pages:
        async for page in pages:
            found += [entry for _, entry in page if _wanted(entry, asked)]
            if len(found) > asked.limit:
                break
    return found


def _wanted(entry: Entry, asked: EntryFilter) -> bool:
    return (
        entry.seq > (asked.cursor or 0)
        and (not asked.level or entry.level in asked.level)
        and (asked.stage is None or entry.stage == asked.stage)
        and (asked.since is None or entry.ts > asked.since)
    )


async def projected(gateway: Gateway, min_seq: int) -> None:
    """Wait until the rows reach this sequence."""
    if min_seq:
        await _patiently(gateway, min_seq, partial(_until, gateway.rows.position))


async def _until(position: Callable[[], Awaitable[int]], seq: int) -> None:
    while await position() < seq:  # noqa: ASYNC110  Postgres tells nobody
        await asyncio.sleep(_LOOK_AGAIN_S)


async def _patiently(gateway: Gateway, seq: int, reached: Callable[[int], Awaitable[None]]) -> None:
    """Wait for what the log has already; nobody is kept waiting for what it never had."""
    if (gateway.feed.position or 0) < seq and (await gateway.events.state()).last < seq:
        raise BeyondLog(seq)
    try:
        async with asyncio.timeout(gateway.patience_s):
            await reached(seq)
    except TimeoutError:
        raise NotYet(seq) from None
