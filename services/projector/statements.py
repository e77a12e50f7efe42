"""The SQL of the read model's writer: one statement per table and batch, rows as column arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.projector.rows import (
    CallRow,
    ContentRow,
    Damaged,
    EntryRow,
    NoticeRow,
    PostRow,
    QuarantineRow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: Mapping[type, str] = {
    PostRow: "uuid text int8 int4 text text uuid text text timestamptz jsonb jsonb"
    " timestamptz timestamptz timestamptz bool",
    ContentRow: "uuid text int8 text jsonb",
    EntryRow: "int8 uuid text timestamptz text text text text jsonb",
    CallRow: "uuid text int8 text int4 text text text float8 float8 int8 int8 int8 int8 int8 int8"
    " float8 text timestamptz timestamptz int8 int8 float8",
    NoticeRow: "uuid int8 text text int4 text timestamptz int8",
    QuarantineRow: "int8 uuid text text bytea timestamptz",
    Damaged: "uuid text",
}
"""The column types of each row, in the order of its fields."""

LOCK = "select pg_try_advisory_lock(hashtext('galley.projector'), hashtext(current_schema()))"
POSITION = "select seq, identity, digest from position"
BEGIN = "insert into position (seq, identity, digest) values (0, $1, '') on conflict do nothing"
MOVE = "update position set seq = $3, digest = $4 where seq = $1 and identity = $2"
STATES = "select id, state from posts where id = any($1::uuid[])"
CLEAR = "delete from contents where post_id = any($1::uuid[])"
ERASE = "delete from entries where post_id = any($1::uuid[])"
FORGET = "delete from notices where post_id = any($1::uuid[])"


def _columns(row: type) -> tuple[str, ...]:
    fields: tuple[str, ...] = row._fields  # type: ignore[attr-defined]  # every row is a NamedTuple
    return fields


def _arrays(row: type) -> str:
    types = TYPES[row].split()
    return ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(types, 1))


def _insert(table: str, row: type) -> str:
    names = ", ".join(_columns(row))
    return f"insert into {table} ({names}) select * from unnest({_arrays(row)})"  # noqa: S608  our own names


def _replace(row: type, *keys: str) -> str:
    return ", ".join(f"{name} = excluded.{name}" for name in _columns(row) if name not in keys)


POSTS = f"""{_insert("posts", PostRow)}
on conflict (id) do update set {_replace(PostRow, "id", "profile_id")},
    profile_id = case when excluded.deleted
        then coalesce(excluded.profile_id, posts.profile_id) else excluded.profile_id end
where excluded.seq > posts.seq"""

CONTENTS = f"""insert into contents (post_id, stage, seq, text, sources)
select post_id, stage, seq, text, coalesce(sources, (
    select sources from contents as old
    where old.post_id = new.post_id and old.stage = new.stage
), '[]')
from unnest({_arrays(ContentRow)}) as new (post_id, stage, seq, text, sources)
on conflict (post_id, stage) do update
set seq = excluded.seq, text = excluded.text, sources = excluded.sources
where excluded.seq > contents.seq"""  # noqa: S608

ENTRIES = f"{_insert('entries', EntryRow)} on conflict (seq) do nothing"

_FIRST_TOLD = ("provider", "model", "worst_case_usd", "started_at", "started_seq")
_LAST_TOLD = ("duration_s", "code", "unconfirmed_usd")
_ADDED = (
    "cost_usd",
    "tokens_in",
    "tokens_out",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "tokens_image",
)
_MERGED = ", ".join(
    [
        *(f"{name} = coalesce(calls.{name}, excluded.{name})" for name in _FIRST_TOLD),
        *(f"{name} = coalesce(excluded.{name}, calls.{name})" for name in _LAST_TOLD),
        *(
            f"{name} = coalesce(calls.{name} + excluded.{name}, calls.{name}, excluded.{name})"
            for name in _ADDED
        ),
        *(f"{name} = excluded.{name}" for name in ("outcome", "ended_at", "ended_seq")),
    ]
)
CALLS = f"""{_insert("calls", CallRow)}
on conflict (post_id, stage, run, key, attempt) do update set {_MERGED}
where excluded.ended_seq > coalesce(calls.ended_seq, 0)"""

NOTICES = f"""{_insert("notices", NoticeRow)}
on conflict (post_id, seq) do update set {_replace(NoticeRow, "post_id", "seq")}
where excluded.changed_seq > notices.changed_seq"""

QUARANTINE = f"{_insert('quarantine', QuarantineRow)} on conflict (seq) do nothing"

DAMAGED = f"""insert into posts (id, tenant, seq, n, current_stage, waits_for, state, behind)
select id, tenant, 0, 0, 'pending', '', $3::jsonb, true
from unnest({_arrays(Damaged)}) as damaged (id, tenant)
on conflict (id) do update set behind = true"""  # noqa: S608
