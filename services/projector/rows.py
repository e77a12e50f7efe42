"""The shapes of the read model's rows, and what text has to lose before Postgres takes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  (part of the rows' shape)
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID  # noqa: TC003

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.domain.post import Post

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class PostRow(NamedTuple):
    id: UUID
    tenant: str
    seq: int
    n: int
    slug: str | None
    topic: str | None
    profile_id: UUID | None
    current_stage: str
    waits_for: str
    due_at: datetime | None
    state: str
    config: str | None
    created_at: datetime | None
    updated_at: datetime | None
    completed_at: datetime | None
    deleted: bool


class ContentRow(NamedTuple):
    """`sources` is None when the text changed and its sources did not."""

    post_id: UUID
    stage: str
    seq: int
    text: str
    sources: str | None


class EntryRow(NamedTuple):
    seq: int
    post_id: UUID
    tenant: str
    ts: datetime
    stage: str
    level: str
    event: str
    message: str
    data: str


class CallRow(NamedTuple):
    """One attempt of a paid call, as far as this batch tells; what it does not tell is None."""

    post_id: UUID
    stage: str
    run: int
    key: str
    attempt: int
    outcome: str
    provider: str | None = None
    model: str | None = None
    worst_case_usd: float | None = None
    cost_usd: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    tokens_image: int | None = None
    duration_s: float | None = None
    code: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    started_seq: int | None = None
    ended_seq: int | None = None
    unconfirmed_usd: float | None = None


class NoticeRow(NamedTuple):
    """What the outside is told of the fact at `seq`; `changed_seq` is the last fact about that."""

    post_id: UUID
    seq: int
    tenant: str
    event: str
    attempt: int
    state: str
    due_at: datetime | None
    changed_seq: int


class QuarantineRow(NamedTuple):
    seq: int
    post_id: UUID | None
    subject: str
    problem: str
    data: bytes
    stored_at: datetime | None


class Damaged(NamedTuple):
    """A post that lacks a fact: its row is not to be trusted, even if there is none yet."""

    post_id: UUID
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a batch of the log does to the rows.

    First the contents of `cleared` and the entries and notices of `erased` posts go; then the rows
    are put in, each in the place of the row with its key. `states` are the folds behind `posts`.
    """

    states: Mapping[UUID, Post] = field(default_factory=dict)
    posts: tuple[PostRow, ...] = ()
    cleared: tuple[UUID, ...] = ()
    erased: tuple[UUID, ...] = ()
    contents: tuple[ContentRow, ...] = ()
    entries: tuple[EntryRow, ...] = ()
    calls: tuple[CallRow, ...] = ()
    notices: tuple[NoticeRow, ...] = ()
    quarantine: tuple[QuarantineRow, ...] = ()
    damaged: tuple[Damaged, ...] = ()


def clean(text: str) -> str:
    """The text without NUL and lone surrogates, which Postgres cannot hold."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub(_REPLACEMENT, text)


def clean_json(dumped: bytes) -> str:
    """JSON text that jsonb takes: it refuses an escaped NUL."""
    text = dumped.decode()
    return json.dumps(_cleaned(json.loads(text))) if "\\u0000" in text else text


def _cleaned(value: Any) -> Any:  # noqa: ANN401  JSON
    match value:
        case str():
            return clean(value)
        case list():
            return [_cleaned(each) for each in value]
        case dict():
            return {clean(name): _cleaned(each) for name, each in value.items()}
        case _:
            return value
