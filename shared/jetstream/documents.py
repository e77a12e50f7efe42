"""Documents on a JetStream server: a version is stored only after the one its writer has read.

What stands at a document's subject and is none is left out where many are read, with an alarm, and
`Malformed` where that one was asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.domain.documents import (
    SCHEMA,
    DocRef,
    Kind,
    Version,
    decode_document,
    encode_document,
    every,
)
from shared.errors import Malformed, TooLarge
from shared.eventlog import MAX_FACT_BYTES
from shared.jetstream.direct import Direct, TooMany
from shared.jetstream.groups import Groups
from shared.jetstream.messages import EXPECTED, PRODUCER, TYPE, VERSION, Message
from shared.jetstream.rights import STREAM, producer_may

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shared.domain.documents import Document
    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Item

DOCUMENT: Final = "document"


class JetStreamDocuments:
    """A `Documents`. `producer` is the name this process signs its versions with."""

    def __init__(self, connection: Connection, producer: str) -> None:
        self._connection = connection
        self._producer = producer
        self._direct = Direct(connection, STREAM)
        self._groups = Groups(connection)

    async def latest(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Version]:
        by_subject = {ref.subject: ref for ref in refs}
        if not by_subject:
            return {}
        found = await self._direct.latest(list(by_subject))
        versions = [_version(by_subject[item.subject], item) for item in found]
        return {version.ref: version for version in versions}

    async def at(self, ref: DocRef, seq: int) -> Version | None:
        item = await self._direct.at(seq) if seq > 0 else None
        return None if item is None or item.subject != ref.subject else _version(ref, item)

    async def every(self, tenant: str, kind: Kind) -> Sequence[Version]:
        subjects = every(tenant, kind)
        try:
            items = await self._direct.latest([subjects])
        except TooMany:
            last = {item.subject: item async for item in self._direct.everything(subjects)}
            items = sorted(last.values(), key=lambda item: item.seq)
        return self._readable(tenant, kind, items)

    async def history(self, ref: DocRef) -> Sequence[Version]:
        items = [item async for item in self._direct.everything(ref.subject)]
        return self._readable(ref.tenant, ref.kind, items)

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

    def _readable(self, tenant: str, kind: Kind, items: Iterable[Item]) -> tuple[Version, ...]:
        found = []
        for item in items:
            try:
                ref = DocRef(tenant, kind, item.subject.rpartition(".")[2])
                found.append(_version(ref, item))
            except (Malformed, ValueError) as error:
                told = f"left out, {item.seq} {item.subject[:200]}: {error}"
                self._connection.alarm("log.invalid_message", told)
        return tuple(found)


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
    return Version(ref, item.seq, decode_document(item.data))
