"""A post comes into being together with its slug: both are stored, or neither.

Who owns a slug stands in the log at a subject of its own, written in the batch that creates the
post. A generated slug gives way (`-2`, `-3`, then part of the post's id); a chosen one never does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slugify import slugify

from services.gateway.control.commands import execute
from services.gateway.posts.claims import checked, claim
from services.gateway.web.refusals import Contended, Refused
from shared.errors import SlugTaken
from shared.eventlog import History

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from uuid import UUID

    from services.gateway.control.commands import Clock, Done
    from shared.domain.commands import CreatePost
    from shared.domain.subjects import PostRef
    from shared.eventlog import PostLog

_LONGEST = 80
_NUMBERED = 5
_TRIES = 2
"""Two writers hardly ever mean to create one post, so a second conflict is about the slug."""


async def create(
    events: PostLog,
    ref: PostRef,
    order: Callable[[str], CreatePost],
    chosen: str | None,
    clock: Clock,
) -> Done:
    """Create the post that `order` describes for a slug. Raises `Refused` with `SlugTaken`."""
    slug = ""
    for slug in slugs(order("").config.topic, chosen, ref.id):
        command = order(slug)
        done = await created(events, ref, command, clock)
        if done is not None:
            return done
    raise Refused(SlugTaken(slug), History(ref).post)


async def created(events: PostLog, ref: PostRef, command: CreatePost, clock: Clock) -> Done | None:
    """None when the slug has an owner, or others were faster whatever was tried."""
    wanted = claim(ref, command.config.profile_id, command.config.slug)
    while True:
        try:
            return await execute(
                events, ref, command, clock, also=[wanted], tries=_TRIES, supposed=History(ref)
            )
        except Contended:
            again = await checked(events, ref.tenant, wanted)
        if again is None or again == wanted:
            return None
        wanted = again


def slugs(topic: str, chosen: str | None, post: UUID) -> Iterator[str]:
    """The slugs to try, best first."""
    if chosen is not None:
        yield chosen
        return
    base = slugify(topic, max_length=_LONGEST, word_boundary=True) or "post"
    yield base
    yield from (f"{base}-{number}" for number in range(2, _NUMBERED))
    yield f"{base}-{post.hex[:8]}"
    yield f"{base}-{post.hex}"
