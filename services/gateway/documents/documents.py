"""A document is changed by storing the version that follows the one in force, once per request.

Who names a version (If-Match) changes that one or none. A repeated request finds its command among
the versions and gets the first answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.control.deciding import SEQUENCE
from services.gateway.web.preconditions import etag
from services.gateway.web.refusals import Contended
from shared.domain.documents import Document, Version
from shared.errors import CommandReused, Conflict, LogUnavailable, StaleVersion, Unconfirmed

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


async def newest(gateway: Gateway, ref: DocRef) -> Version | None:
    """The version in force; None when there never was one."""
    return (await gateway.documents.latest([ref])).get(ref)


async def change(
    gateway: Gateway, ref: DocRef, by: CommandRef, expected: Expected | None, make: Making
) -> Version:
    """Store what `make` makes of the version in force (None deletes), unless that was done before.

    Raises `StaleVersion`, `CommandReused`, `Contended`, `LogUnavailable`, and what `make` raises.
    """
    lost: Conflict | None = None
    for _ in range(_TRIES):
        versions = await gateway.documents.history(ref)
        if (done := _answered(versions, by)) is not None:
            return done
        now = versions[-1] if versions else None
        _require(expected, now.seq if now else 0)
        document = Document(actor=by.actor, at=gateway.clock(), command=by, content=make(now))
        try:
            seq = await gateway.documents.write(ref, document, now.seq if now else 0)
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


def _require(expected: Expected | None, version: int) -> None:
    if expected is None or expected.versions is None or version in expected.versions:
        return
    raise StaleVersion(version)


def _gave_up(lost: Conflict | None) -> Exception:
    if isinstance(lost, Unconfirmed):
        return LogUnavailable("the log did not confirm what was written; try again")
    return Contended()


def tell_version(response: Response, version: int) -> None:
    """Say which version this answer shows."""
    response.headers["ETag"] = etag(version)


def tell_written(response: Response, stored: Version) -> None:
    """Say which version was stored, and so how far the log has come."""
    response.headers[SEQUENCE] = str(stored.seq)
    tell_version(response, stored.seq)
