"""Documents on the log in memory, with the promises of the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.documents import (
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

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.documents import Document
    from shared.eventlog import Stored
    from shared.testing.memory import MemoryLog


class MemoryDocuments:
    """A `Documents`. They stand among the other messages of `log`."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def standing(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Standing]:
        stand = {ref: self._stands(ref) for ref in refs}
        return {ref: each for ref, each in stand.items() if each.top}

    async def latest(self, refs: Sequence[DocRef]) -> Mapping[DocRef, Version]:
        stand = (await self.standing(refs)).values()
        return {each.ref: each.version for each in stand if each.version is not None}

    async def at(self, ref: DocRef, seq: int) -> Version | None:
        found = await self._log.stored(seq)
        return None if found is None or found.subject != ref.subject else _version(ref, found)

    async def every(self, tenant: str, kind: Kind) -> Sequence[Version]:
        names = {each.subject.rpartition(".")[2] for each in self._under(every(tenant, kind))}
        found = (await self.latest([DocRef(tenant, kind, name) for name in names])).values()
        return tuple(sorted(found, key=lambda version: version.seq))

    async def everywhere(self, kind: Kind) -> Sequence[Standing]:
        places = {each.subject: ref_of(each.subject) for each in self._log.messages}
        stand = [self._stands(ref) for ref in places.values() if ref and ref.kind is kind]
        return tuple(sorted(stand, key=lambda each: each.top))

    async def history(self, ref: DocRef) -> Sequence[Version]:
        return tuple(each for each in reversed(self._all(ref)) if isinstance(each, Version))

    async def page(
        self, ref: DocRef, limit: int, before: int = 0
    ) -> Sequence[Version | Unreadable]:
        return [each for each in self._all(ref) if not before or each.seq < before][:limit]

    async def write(self, ref: DocRef, document: Document, after: int) -> int:
        data = encode_document(document)
        if len(data) > MAX_FACT_BYTES:
            raise TooLarge(f"{len(data)} bytes for {ref.subject}")
        return await self._log.keep(ref.subject, data, after)

    def _under(self, subjects: str) -> list[Stored]:
        prefix = subjects.removesuffix(">")
        return [each for each in self._log.messages if each.subject.startswith(prefix)]

    def _stands(self, ref: DocRef) -> Standing:
        found = self._all(ref)
        good = next((each for each in found if isinstance(each, Version)), None)
        top = found[0] if found else None
        return Standing(ref, good, top if isinstance(top, Unreadable) else None)

    def _all(self, ref: DocRef) -> list[Version | Unreadable]:
        """Newest first."""
        subject = ref.subject
        found = [each for each in self._log.messages if each.subject == subject]
        return [_read(ref, each) for each in reversed(found)]


def _version(ref: DocRef, stored: Stored) -> Version:
    return version_of(ref, stored.seq, stored.data)


def _read(ref: DocRef, stored: Stored) -> Version | Unreadable:
    try:
        return _version(ref, stored)
    except (Malformed, TooNew) as error:
        return Unreadable(stored.seq, str(error), isinstance(error, TooNew), stored.stored_at)
