"""The sessions in force, beside the keys they stand for; what is over is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shared.domain.sessions import session_in

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.documents import DocRef, Standing
    from shared.domain.keys import KeyText
    from shared.domain.sessions import Session


class Begun(NamedTuple):
    """A session or the link to one, and the version that says so."""

    ref: DocRef
    seq: int
    session: Session


class Sessions:
    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], Begun] = {}

    def get(self, text: KeyText | None) -> Begun | None:
        return self._begun.get((text.tenant, text.id)) if text else None

    def of(self, tenant: str, session: str) -> Begun | None:
        return self._begun.get((tenant, session))

    def live(self, tenant: str, key: str, now: datetime) -> int:
        """How many sessions and links of this key there are."""
        return sum(
            each.session.key == key and each.ref.tenant == tenant and each.session.lives(now)
            for each in self._begun.values()
        )

    def take(self, now: Standing) -> None:
        """How one stands; what cannot be read is none."""
        name = now.ref.tenant, now.ref.id
        known = self._begun.get(name)
        if known is not None and known.seq > now.top:
            return
        session = session_in(now.version) if now.above is None else None
        if session is None or session.ended is not None:
            self._begun.pop(name, None)
        else:
            self._begun[name] = Begun(now.ref, now.top, session)

    def clear(self) -> None:
        self._begun.clear()

    def forget(self, now: datetime) -> None:
        """What is over lets nobody in, and need not be remembered."""
        over = [name for name, each in self._begun.items() if not each.session.lives(now)]
        for name in over:
            del self._begun[name]
