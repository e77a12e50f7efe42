"""What was written to a document, page by page from the newest: what cannot be read is named.

Page on with `cursor` = the answer's `next`; it names a version, so what is written meanwhile
neither repeats one nor hides one.
"""

# ruff: noqa: TC003  (pydantic reads the annotations)

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field, JsonValue

from services.gateway.web.answers import Answer
from services.gateway.web.schemas import MAX_SEQUENCE, Asked
from shared.domain.documents import Unreadable, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.gateway.context import Gateway
    from shared.domain.documents import DocRef


class HistoryFilter(Asked):
    """Which page: the versions before `cursor`, newest first."""

    limit: Annotated[int, Field(ge=1, le=100)] = 50
    cursor: Annotated[int, Field(ge=1, le=MAX_SEQUENCE)] | None = None


class Page(NamedTuple):
    """`next` is None when this is the last one."""

    written: Sequence[Version | Unreadable]
    next: int | None


class VersionRead(Answer):
    """One version: what the document then said; null once deleted, and for what cannot be read."""

    version: int
    actor: str = ""
    at: datetime | None
    content: dict[str, JsonValue] | None = None
    readable: bool


class DocumentHistory(Answer):
    """Versions, and the cursor of the next page; null when there is none."""

    items: list[VersionRead]
    next: int | None


async def page(gateway: Gateway, ref: DocRef, asked: HistoryFilter) -> Page:
    """One page of what was written to a document."""
    found = await gateway.documents.page(ref, asked.limit + 1, asked.cursor or 0)
    shown = found[: asked.limit]
    return Page(shown, shown[-1].seq if len(found) > asked.limit else None)


def told(found: Page) -> DocumentHistory:
    """The page of a document that is shown as it is stored."""
    return DocumentHistory(items=[_told(each) for each in found.written], next=found.next)


def _told(each: Version | Unreadable) -> VersionRead:
    if isinstance(each, Unreadable):
        return VersionRead(version=each.seq, at=each.at, readable=False)
    said = each.document
    return VersionRead(
        version=each.seq, actor=said.actor, at=said.at, content=said.content, readable=True
    )
