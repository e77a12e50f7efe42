"""A document is changed by storing the version that follows the one in force, once per request.

Who names a version (If-Match) changes that one or none. A repeated request finds its command among
the versions and gets the first answer. What stands on top and cannot be read is built over, on the
version below it; what a newer Galley has written only by who names it, since it would be undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.control.deciding import SEQUENCE
from services.gateway.web.preconditions import etag
from services.gateway.web.refusals import Contended
from shared.domain.documents import Document, Standing, Version
from shared.errors import (
    CommandReused,
    Conflict,
    LogUnavailable,
    NewerVersion,
    StaleVersion,
    Unconfirmed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fastapi import Response
    from pydantic import JsonValue

    from services.gateway.context import Gateway
    from services.gateway.web.preconditions import Expected
    from shared.domain.documents import DocRef
    from shared.domain.values import CommandRef

type Content = dict[str, JsonValue]
type Making = Callable[[Version | None], Content | None]

_TRIES = 10

WARNING = "Galley-Warning"
"""The header that tells what of a document cannot be read, and which version holds instead."""


async def standing(gateway: Gateway, ref: DocRef) -> Standing:
    """How the document stands now."""
    return (await gateway.documents.standing([ref])).get(ref, Standing(ref))


async def newest(gateway: Gateway, ref: DocRef) -> Version | None:
    """The version in force; None when there never was one."""
    return (await standing(gateway, ref)).version


async def change(
    gateway: Gateway, ref: DocRef, by: CommandRef, expected: Expected | None, make: Making
) -> Version:
    """Store what `make` makes of the version in force (None deletes), unless that was done before.

    Raises `StaleVersion`, `NewerVersion`, `CommandReused`, `Contended`, `LogUnavailable`, and what
    `make` raises.
    """
    lost: Conflict | None = None
    for _ in range(_TRIES):
        now = await standing(gateway, ref)
        if (done := _answered(await gateway.documents.history(ref), by)) is not None:
            return done
        _require(expected, now)
        content = make(now.version)
        document = Document(actor=by.actor, at=gateway.clock(), command=by, content=content)
        try:
            seq = await gateway.documents.write(ref, document, now.top)
        except Conflict as conflict:
            lost = conflict
        else:
            return Version(ref, seq, document)
    raise _gave_up(lost) from lost


def _answered(versions: Sequence[Version], by: CommandRef) -> Version | None:
    for version in versions:
        known = version.document.command
        if known is not None and known.id == by.id:
            if known.digest != by.digest:
                raise CommandReused
            return version
    return None


def _require(expected: Expected | None, now: Standing) -> None:
    if expected is not None and expected.versions is not None:
        if now.top not in expected.versions:
            raise StaleVersion(now.top)
    elif now.above is not None and now.above.too_new:
        raise NewerVersion(now.top)


def _gave_up(lost: Conflict | None) -> Exception:
    if isinstance(lost, Unconfirmed):
        return LogUnavailable("the log did not confirm what was written; try again")
    return Contended()


def tell_standing(response: Response, now: Standing) -> None:
    """Say which version a change has to follow, and what of the document cannot be read."""
    response.headers["ETag"] = etag(now.top)
    if now.above is not None:
        shown = now.version.seq if now.version else 0
        why = "was written by a newer Galley" if now.above.too_new else "is damaged"
        response.headers[WARNING] = f"version {now.above.seq} {why}; version {shown} is in force"


def tell_written(response: Response, stored: Version) -> None:
    """Say which version was stored, and so how far the log has come."""
    response.headers[SEQUENCE] = str(stored.seq)
    response.headers["ETag"] = etag(stored.seq)
