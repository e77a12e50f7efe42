"""Server-sent events as bytes: each is encoded once, however many clients get it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from uuid import UUID

    from shared.domain.journal import Entry

HEARTBEAT = b": heartbeat\n\n"
_LIFTED = ("stage_complete", "stage_error")
"""These carry their figures beside the message too, where clients of old look for them."""


class Frame(NamedTuple):
    """One event; `seq` is its id, None for what is never stored."""

    seq: int | None
    data: bytes


def of_entry(post: UUID, entry: Entry) -> Frame:
    """A line of the execution log."""
    lifted = entry.data if entry.event in _LIFTED else {}
    payload = {
        **lifted,
        "event": entry.event,
        "post_id": str(post),
        "seq": entry.seq,
        "stage": entry.stage,
        "message": entry.message,
        "level": entry.level,
        "timestamp": entry.ts.isoformat(),
        "data": entry.data,
    }
    return named(entry.event, payload, entry.seq)


def named(event: str, payload: dict[str, Any], seq: int | None = None) -> Frame:
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=True)
    return whole(event, body, seq)


def whole(event: str, body: str, seq: int | None) -> Frame:
    """`body` is JSON on one line."""
    identity = "" if seq is None else f"id: {seq}\n"
    return Frame(seq, f"{identity}event: {event}\ndata: {body}\n\n".encode())


def anchor(seq: int) -> bytes:
    """An id without an event: where a client resumes that was cut before anything happened."""
    return f"id: {seq}\n\n".encode()
