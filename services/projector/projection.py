"""The read model as a pure function: a batch of the log and the posts before it give row changes.

A fact applied twice changes nothing. What is no fact of ours is set aside by name, never skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter
from pydantic_core import to_json

from services.projector import notices
from services.projector.paid import merged, told
from services.projector.rows import (
    Changes,
    ContentRow,
    Damaged,
    EntryRow,
    PostRow,
    QuarantineRow,
    clean,
    clean_json,
)
from shared.domain.events import (
    CallFact,
    FlowFact,
    PostDeleted,
    PostRestarted,
    Recorded,
    StageCompleted,
)
from shared.domain.evolve import evolve
from shared.domain.journal import journal
from shared.domain.outputs import changed_output
from shared.domain.post import Post
from shared.domain.status import current_stage, waits_for
from shared.domain.values import ORDER, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from services.projector.rows import CallRow, NoticeRow
    from shared.domain.events import PostEvent
    from shared.domain.subjects import PostRef
    from shared.eventlog import Stored

_STATE = TypeAdapter(Post)
UNKNOWN = _STATE.dump_json(Post()).decode()
"""The state of a post of which nothing is known."""


def project(batch: Sequence[Stored], before: Mapping[UUID, Post]) -> Changes:
    """What these messages, in log order, change. `before` holds every post they touch, if known."""
    draft = _Draft(before)
    for stored in batch:
        draft.add(stored)
    return draft.changes()


def set_aside(stored: Stored, problem: str) -> Changes:
    """What a message changes that cannot be projected: it is kept, and its post marked."""
    draft = _Draft({})
    draft.quarantine(stored, problem)
    return draft.changes()


def state_of(text: str) -> Post:
    """The fold that a row holds."""
    return _STATE.validate_json(text)


def row_of(ref: PostRef, post: Post, profile_id: UUID | None = None) -> PostRow:
    """A post's row; `profile_id` is for a deleted post, whose order is gone."""
    config = post.config
    return PostRow(
        id=ref.id,
        tenant=ref.tenant,
        seq=post.last,
        n=post.n,
        slug=clean(config.slug) if config else None,
        topic=clean(config.topic) if config else None,
        profile_id=config.profile_id if config else profile_id,
        current_stage=current_stage(post),
        waits_for=waits_for(post),
        due_at=due_at(post),
        state=clean_json(_STATE.dump_json(post)),
        config=clean_json(to_json(config)) if config else None,
        created_at=post.created_at,
        updated_at=post.updated_at,
        completed_at=post.completed_at,
        deleted=post.deleted,
    )


def due_at(post: Post) -> datetime | None:
    """When the post moves by itself: a deferred run's time, or the deadline of its review. A paused
    run sleeps on, however late it is."""
    if post.held is not None:
        return None if post.paused else post.held.until
    deadline = post.review.deadline if post.review is not None else None
    return deadline.at if deadline is not None else None


class _Draft:
    """The changes of a batch while they are being gathered."""

    def __init__(self, before: Mapping[UUID, Post]) -> None:
        self._posts = dict(before)
        self._changed: dict[UUID, PostRef] = {}
        self._profiles: dict[UUID, UUID | None] = {}
        self._cleared: set[UUID] = set()
        self._erased: dict[UUID, int] = {}
        self._contents: dict[tuple[UUID, Stage], ContentRow] = {}
        self._entries: list[EntryRow] = []
        self._calls: dict[tuple[UUID, str, int, str, int], CallRow] = {}
        self._notices: dict[tuple[UUID, int], NoticeRow] = {}
        self._quarantine: list[QuarantineRow] = []
        self._damaged: dict[UUID, Damaged] = {}

    def add(self, stored: Stored) -> None:
        """Take in the next message."""
        if stored.problem:
            self.quarantine(stored, stored.problem)
        elif stored.ref is not None and stored.fact is not None:
            self._fact(stored, stored.ref, stored.fact)

    def quarantine(self, stored: Stored, problem: str) -> None:
        post_id = stored.ref.id if stored.ref else None
        self._quarantine.append(
            QuarantineRow(
                stored.seq,
                post_id,
                clean(stored.subject),
                clean(problem),
                stored.data,
                stored.stored_at,
            )
        )
        if stored.ref is not None:
            self._damaged[stored.ref.id] = Damaged(stored.ref.id, stored.ref.tenant)

    def _fact(self, stored: Stored, ref: PostRef, fact: PostEvent) -> None:
        if isinstance(fact, FlowFact):
            if not self._flow(stored, ref, fact):
                return
        elif isinstance(fact, CallFact):
            self._call(told(ref.id, stored.seq, fact))
        if not self._post(ref).deleted:
            recorded = Recorded(stored.seq, fact)
            self._entry(ref, recorded)
            self._notice(ref, recorded)

    def _post(self, ref: PostRef) -> Post:
        return self._posts.get(ref.id) or Post()

    def _flow(self, stored: Stored, ref: PostRef, fact: PostEvent) -> bool:
        """Fold it, unless it is folded already or is a second fact of one number."""
        post = self._post(ref)
        if stored.seq <= post.last:
            return False
        if int(stored.subject.rpartition(".")[2]) < post.n:
            self.quarantine(stored, "another fact of this number was first")
            return False
        self._posts[ref.id] = evolve(post, Recorded(stored.seq, fact))
        self._changed[ref.id] = ref
        self._texts(stored.seq, ref, fact)
        return True

    def _texts(self, seq: int, ref: PostRef, fact: PostEvent) -> None:
        if isinstance(fact, PostRestarted | PostDeleted):
            self._clear(ref.id)
        if isinstance(fact, PostDeleted):
            self._erased[ref.id] = seq
            self._profiles[ref.id] = fact.profile_id
        if (changed := changed_output(fact)) is not None:
            self._content(seq, ref.id, *changed, fact)

    def _clear(self, post_id: UUID) -> None:
        self._cleared.add(post_id)
        for stage in ORDER:
            self._contents.pop((post_id, stage), None)

    def _content(self, seq: int, post_id: UUID, stage: Stage, text: str, fact: PostEvent) -> None:
        if isinstance(fact, StageCompleted):
            sources: str | None = clean_json(to_json(fact.sources))
        else:
            earlier = self._contents.get((post_id, stage))
            sources = earlier.sources if earlier else None
        self._contents[post_id, stage] = ContentRow(post_id, stage, seq, clean(text), sources)

    def _call(self, row: CallRow) -> None:
        key = row[:5]
        self._calls[key] = merged(self._calls.get(key), row)

    def _entry(self, ref: PostRef, recorded: Recorded) -> None:
        entry = journal(recorded)
        if entry is None:
            return
        seq, ts, stage, level, event, message, data = entry
        told_data = clean_json(to_json(data, inf_nan_mode="null")) if data else "{}"
        self._entries.append(
            EntryRow(seq, ref.id, ref.tenant, ts, stage, level, event, clean(message), told_data)
        )

    def _notice(self, ref: PostRef, recorded: Recorded) -> None:
        if (row := notices.told(ref, recorded)) is not None:
            self._notices[row.post_id, row.seq] = row

    def changes(self) -> Changes:
        states = {post_id: self._posts[post_id] for post_id in self._changed}
        return Changes(
            states=states,
            posts=tuple(
                row_of(ref, states[ref.id], self._profiles.get(ref.id))
                for ref in self._changed.values()
            ),
            cleared=tuple(self._cleared),
            erased=tuple(self._erased),
            contents=tuple(self._contents.values()),
            entries=tuple(
                each for each in self._entries if each.seq > self._erased.get(each.post_id, 0)
            ),
            calls=tuple(self._calls.values()),
            notices=tuple(
                each for each in self._notices.values() if each.post_id not in self._erased
            ),
            quarantine=tuple(self._quarantine),
            damaged=tuple(self._damaged.values()),
        )
