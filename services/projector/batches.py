"""Applies batches of the log to the store so that no single message can stop those after it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog

from services.projector.projection import project, set_aside
from services.projector.store import digest_of, surroundings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from services.projector.rows import Changes
    from services.projector.store import Position, Store
    from shared.domain.post import Post
    from shared.eventlog import Stored

_log = structlog.get_logger()


class Recent:
    """The folds of the posts written last, equal to their rows as long as one process writes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._posts: OrderedDict[UUID, Post] = OrderedDict()

    def known(self, posts: set[UUID]) -> dict[UUID, Post]:
        return {post_id: self._posts[post_id] for post_id in posts & self._posts.keys()}

    def remember(self, posts: Mapping[UUID, Post]) -> None:
        for post_id, post in posts.items():
            self._posts[post_id] = post
            self._posts.move_to_end(post_id)
        while len(self._posts) > self._most:
            self._posts.popitem(last=False)


class Batches:
    """The writing half of a session: knows the position it has reached."""

    def __init__(self, store: Store, position: Position, remembered: int) -> None:
        self._store = store
        self._recent = Recent(remembered)
        self.position = position

    async def apply(self, batch: Sequence[Stored]) -> None:
        """Write all of it. What cannot be written for its own sake is quarantined, one by one.

        Raises what the surroundings raise (Postgres away, another projector): nothing half-written.
        """
        if not batch:
            return
        try:
            await self._write(project(batch, await self._before(batch)), batch[-1])
        except Exception as error:
            if surroundings(error):
                raise
            await self._narrow(batch, error)

    async def _narrow(self, batch: Sequence[Stored], error: Exception) -> None:
        if len(batch) > 1:
            middle = len(batch) // 2
            await self.apply(batch[:middle])
            await self.apply(batch[middle:])
        else:
            problem = f"{type(error).__name__}: {error}"
            await self._write(set_aside(batch[0], problem), batch[0])

    async def _before(self, batch: Sequence[Stored]) -> dict[UUID, Post]:
        touched = {stored.ref.id for stored in batch if stored.ref is not None}
        known = self._recent.known(touched)
        loaded = await self._store.states(touched - known.keys())
        self._recent.remember(loaded)
        return known | loaded

    async def _write(self, changes: Changes, last: Stored) -> None:
        after = self.position._replace(seq=last.seq, digest=digest_of(last))
        await self._store.write(changes, self.position, after)
        self.position = after
        self._recent.remember(changes.states)
        for row in changes.quarantine:
            _log.error(
                "projector.quarantined",
                seq=row.seq,
                subject=row.subject,
                post=str(row.post_id),
                problem=row.problem,
            )
