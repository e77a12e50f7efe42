"""Documents on the log in memory, with the promises of the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.documents import (
    DocRef,
    Kind,
    Version,
    decode_document,
    encode_document,
    every,
)
from shared.errors import Malformed, TooLarge
from shared.eventlog import MAX_FACT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.documents import Document
    from shared.eventlog import Stored
    from shared.testing.memory import MemoryLog


class MemoryDocuments:
    """A `Documents`. They stand among the other messages of `log`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def latest(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Version]:
        wanted = {ref.subject: ref for ref in refs}
        last = {each.subject: each for each in self._log.messages if each.subject in wanted}
        return {wanted[name]: _version(wanted[name], each) for name, each in last.items()}

    async def at(self, ref: DocRef, seq: int) -> Version | None:
        found = await self._log.stored(seq)
        return None if found is None or found.subject != ref.subject else _version(ref, found)

    async def every(self, tenant: str, kind: Kind) -> Sequence[Version]:
        last = {each.subject: each for each in self._under(every(tenant, kind))}
        return _readable(tenant, kind, sorted(last.values(), key=lambda each: each.seq))

    async def history(self, ref: DocRef) -> Sequence[Version]:
        found = [each for each in self._log.messages if each.subject == ref.subject]
        return _readable(ref.tenant, ref.kind, found)

    async def write(self, ref: DocRef, document: Document, after: int) -> int:
        data = encode_document(document)
        if len(data) > MAX_FACT_BYTES:
            raise TooLarge(f"{len(data)} bytes for {ref.subject}")
        return await self._log.keep(ref.subject, data, after)

    def _under(self, subjects: str) -> list[Stored]:
        prefix = subjects.removesuffix(">")
        return [each for each in self._log.messages if each.subject.startswith(prefix)]


def _version(ref: DocRef, stored: Stored) -> Version:
    return Version(ref, stored.seq, decode_document(stored.data))


def _readable(tenant: str, kind: Kind, found: Sequence[Stored]) -> tuple[Version, ...]:
    versions = []
    for each in found:
        ref = DocRef(tenant, kind, each.subject.rpartition(".")[2])
        try:
            versions.append(_version(ref, each))
        except Malformed:
            continue
    return tuple(versions)
