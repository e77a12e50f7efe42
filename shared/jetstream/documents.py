"""Documents on a JetStream server: a version is stored only after the one its writer has read.

What stands at a document's subject and cannot be read is passed over with an alarm, down to the
version below it, and `Malformed` or `TooNew` where that very one was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.domain.documents import (
    SCHEMA,
    DocRef,
    Kind,
    Standing,
    Unreadable,
    Version,
    encode_document,
    every,
    ref_of,
    version_of,
)
from shared.errors import Malformed, TooLarge, TooNew
from shared.eventlog import MAX_FACT_BYTES
from shared.jetstream.direct import Direct, TooMany
from shared.jetstream.groups import Groups
from shared.jetstream.messages import EXPECTED, PRODUCER, TYPE, VERSION, Message
from shared.jetstream.rights import STREAM, producer_may

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from shared.domain.documents import Document
    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Item

DOCUMENT: Final = "document"
DEEPEST: Final = 100
"""So many unreadable things in a row are looked under for the last good version."""


class JetStreamDocuments:
    """A `Documents`. `producer` is the name this process signs its versions with."""

    def __init__(self, connection: Connection, producer: str) -> None:
        self._connection = connection
        self._producer = producer
        self._direct = Direct(connection, STREAM)
        self._groups = Groups(connection)
        self._damaged: dict[DocRef, Standing] = {}

    async def standing(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Standing]:
        by_subject = {ref.subject: ref for ref in refs}
        if not by_subject:
            return {}
        found = await self._direct.latest(list(by_subject))
        stand = [await self._stands(by_subject[item.subject], item) for item in found]
        return {each.ref: each for each in stand}

    async def latest(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Version]:
        stand = (await self.standing(refs)).values()
        return {each.ref: each.version for each in stand if each.version is not None}

    async def at(self, ref: DocRef, seq: int) -> Version | None:
        item = await self._direct.at(seq) if seq > 0 else None
        return None if item is None or item.subject != ref.subject else _version(ref, item)

    async def every(self, tenant: str, kind: Kind) -> Sequence[Version]:
        stand = await self._under(every(tenant, kind))
        found = [each.version for each in stand if each.version is not None]
        return tuple(sorted(found, key=lambda version: version.seq))

    async def everywhere(self, kind: Kind) -> Sequence[Standing]:
        return await self._under(every("*", kind))

    async def _under(self, subjects: str) -> list[Standing]:
        try:
            items = await self._direct.latest([subjects])
        except TooMany:
            last = {item.subject: item async for item in self._direct.everything(subjects)}
            items = sorted(last.values(), key=lambda item: item.seq)
        return [await self._stands(ref, item) for ref, item in self._placed(items)]

    async def history(self, ref: DocRef) -> Sequence[Version]:
        found = [_read(ref, item) async for item in self._direct.everything(ref.subject)]
        return tuple(each for each in found if isinstance(each, Version))

    async def page(
        self, ref: DocRef, limit: int, before: int = 0
    ) -> Sequence[Version | Unreadable]:
        found = list[Version | Unreadable]()
        async for each in self._downwards(ref, before):
            found.append(each)
            if len(found) == limit:
                break
        return found

    async def write(self, ref: DocRef, document: Document, after: int) -> int:
        headers = {
            TYPE: DOCUMENT,
            VERSION: str(SCHEMA),
            PRODUCER: self._producer,
            EXPECTED: str(after),
        }
        data = encode_document(document)
        if len(data) > MAX_FACT_BYTES:
            raise TooLarge(f"{len(data)} bytes for {ref.subject}")
        message = Message(ref.subject, data, headers)
        return await self._groups.store([message], frozenset({ref.subject}))

    async def close(self) -> None:
        """Let what was handed over be stored."""
        await self._groups.close()

    async def _stands(self, ref: DocRef, top: Item) -> Standing:
        """What a document's last message means; damage that is known is not looked into again."""
        newest = _read(ref, top)
        if isinstance(newest, Version):
            return Standing(ref, newest)
        known = self._damaged.get(ref)
        if known is None or known.top != top.seq:
            self._tell(newest.seq, ref.subject, newest.why)
            known = self._damaged[ref] = Standing(ref, await self._beneath(ref, top.seq), newest)
        return known

    async def _beneath(self, ref: DocRef, seq: int) -> Version | None:
        """The version that damage has covered; None when there is none within reach."""
        looked = 0
        async for each in self._downwards(ref, seq):
            if isinstance(each, Version):
                return each
            looked += 1
            if looked == DEEPEST:
                break
        return None

    async def _downwards(self, ref: DocRef, before: int) -> AsyncIterator[Version | Unreadable]:
        item = await self._direct.before(ref.subject, before)
        while item is not None:
            yield _read(ref, item)
            item = await self._direct.before(ref.subject, item.seq)

    def _placed(self, items: Iterable[Item]) -> Iterator[tuple[DocRef, Item]]:
        for item in items:
            ref = ref_of(item.subject)
            if ref is None:
                self._tell(item.seq, item.subject, "no document has its place here")
            else:
                yield ref, item

    def _tell(self, seq: int, subject: str, why: str) -> None:
        self._connection.alarm("log.invalid_message", f"passed over, {seq} {subject[:200]}: {why}")


def open_documents(connection: Connection, producer: str) -> JetStreamDocuments:
    """The documents; what was handed over is stored before the connection closes."""
    documents = JetStreamDocuments(connection, producer)
    connection.before_close(documents.close)
    return documents


def _version(ref: DocRef, item: Item) -> Version:
    producer = item.headers.get(PRODUCER, "")
    if item.headers.get(TYPE) != DOCUMENT or item.subject != ref.subject:
        raise Malformed(f"no document stands at {item.seq} {item.subject[:200]}")
    if not producer_may(producer, item.subject):
        raise Malformed(f"{producer[:64]!r} has no right to {item.subject[:200]}")
    return version_of(ref, item.seq, item.data)


def _read(ref: DocRef, item: Item) -> Version | Unreadable:
    try:
        return _version(ref, item)
    except (Malformed, TooNew) as error:
        return Unreadable(item.seq, str(error), isinstance(error, TooNew), item.at)
