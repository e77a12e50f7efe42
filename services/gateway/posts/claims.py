"""Who owns a slug: a message at a subject of its own, written together with the post it names.

A claim cannot be taken back, since the gateway removes nothing; it ends with its post. Whoever
wants the slug of a deleted post writes a claim that follows the old one, or a first one again when
the eraser was there before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain.events import PostDeleted
from shared.domain.subjects import PostRef, slug_subject
from shared.eventlog import Guarded

if TYPE_CHECKING:
    from shared.eventlog import PostLog


def claim(ref: PostRef, profile: UUID | None, slug: str) -> Guarded:
    """This post wants the slug, and thinks that nobody ever had it."""
    return Guarded(subject=slug_subject(ref.tenant, profile, slug), data=str(ref.id).encode())


async def checked(events: PostLog, tenant: str, wanted: Guarded) -> Guarded | None:
    """The claim as it would be stored now; None when the slug has an owner.

    Raises `LogUnavailable`.
    """
    found = await events.newest(wanted.subject)
    stands = 0 if found is None else found.seq
    if stands == wanted.expected:
        return wanted
    if found is not None and not await _gone(events, tenant, found.data):
        return None
    return replace(wanted, expected=stands)


async def _gone(events: PostLog, tenant: str, owner: bytes) -> bool:
    try:
        ref = PostRef(tenant, UUID(owner.decode("ascii")))
    except ValueError:
        return False
    last = await events.last(ref)
    return last is not None and isinstance(last.fact, PostDeleted)
