"""The read model as a dictionary, written by the projector's own projection, in batches of any
size.

It stands where Postgres stands, and only repeats what the store's statements do with changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.projector.paid import merged
from services.projector.projection import project, state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from services.projector.rows import Changes, ContentRow
    from shared.domain.post import Post
    from shared.eventlog import Stored
    from tests.unit.runtime.simulation.weather import Dice


class Rows:
    """What is known of every post so far."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[Any, Any]] = {
            name: {} for name in ("posts", "contents", "entries", "calls", "quarantine")
        }

    def take(self, batch: Sequence[Stored]) -> None:
        """Project one batch onto the rows as they stand."""
        touched = {stored.ref.id for stored in batch if stored.ref is not None}
        self._write(project(batch, self.states(touched)))

    def states(self, posts: Iterable[UUID]) -> dict[UUID, Post]:
        rows = self.tables["posts"]
        return {post: state_of(rows[post].state) for post in posts if post in rows}

    def _write(self, changes: Changes) -> None:
        self._forget("contents", changes.cleared)
        self._forget("entries", changes.erased)
        self.tables["posts"] |= {row.id: row for row in changes.posts}
        self.tables["entries"] |= {row.seq: row for row in changes.entries}
        self.tables["quarantine"] |= {row.seq: row for row in changes.quarantine}
        for content in changes.contents:
            self._content(content)
        calls = self.tables["calls"]
        calls |= {row[:5]: merged(calls.get(row[:5]), row) for row in changes.calls}

    def _forget(self, table: str, posts: Iterable[UUID]) -> None:
        gone = set(posts)
        kept = {key: row for key, row in self.tables[table].items() if row.post_id not in gone}
        self.tables[table] = kept

    def _content(self, row: ContentRow) -> None:
        before = self.tables["contents"].get(row[:2])
        if row.sources is None and before is not None:
            row = row._replace(sources=before.sources)
        self.tables["contents"][row[:2]] = row


def rebuilt(messages: Sequence[Stored]) -> Rows:
    """The rows of a whole log at once."""
    rows = Rows()
    rows.take(messages)
    return rows


def followed(messages: Sequence[Stored], dice: Dice) -> Rows:
    """The rows as a projector has written them that followed the log while it grew."""
    rows, reached = Rows(), 0
    while reached < len(messages):
        until = reached + dice.number(1, 40)
        rows.take(messages[reached:until])
        reached = until
    return rows
