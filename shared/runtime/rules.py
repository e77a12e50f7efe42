"""The rules a run works by: those its request pinned, or those its service was shipped with.

A version never changes once it is stored, so one that was read is kept.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from shared.domain.documents import rules_ref, rules_text
from shared.errors import Malformed, Permanent

if TYPE_CHECKING:
    from shared.domain.documents import DocRef
    from shared.domain.values import Stage
    from shared.eventlog import Documents

READS: Final = 20
PAUSE: Final = 0.05
"""So often, and so many seconds apart, a version is looked for that a lagging replica may not have
yet."""
KEPT: Final = 16


class Rulebook:
    """The rules of one stage, in every version."""

    def __init__(self, shipped: str, documents: Documents, stage: Stage) -> None:
        self._shipped = shipped
        self._documents = documents
        self._stage = stage
        self._known: OrderedDict[tuple[str, int], str] = OrderedDict()

    async def text(self, tenant: str, version: int | None) -> str:
        """These rules of a tenant; None asks for the shipped ones.

        Raises `Permanent` when there is no such version, `LogUnavailable`.
        """
        if version is None:
            return self._shipped
        known = tenant, version
        if known in self._known:
            return self._known[known]
        text = self._known[known] = await self._read(rules_ref(tenant, self._stage), version)
        while len(self._known) > KEPT:
            self._known.popitem(last=False)
        return text

    async def _read(self, ref: DocRef, version: int) -> str:
        for _ in range(READS):
            if (text := await self._look(ref, version)) is not None:
                return text
            await asyncio.sleep(PAUSE)
        raise _missing(version)

    async def _look(self, ref: DocRef, version: int) -> str | None:
        try:
            return rules_text(await self._documents.at(ref, version))
        except Malformed as error:
            raise _missing(version) from error


def _missing(version: int) -> Permanent:
    told = f"version {version} of the rules cannot be read; run the stage again"
    return Permanent(told, code="rules_missing")
