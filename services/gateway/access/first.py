"""The first key: made by whoever starts the gateway, and written to the log if it is not there.

Whoever holds the data directory of a plant is its admin anyway. A first key that was revoked stays
revoked; a gateway that others can reach does not start where no key at all would let anybody in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.gateway.access.border import is_loopback
from shared.domain.documents import Document, Kind, Standing, Version, key_ref
from shared.domain.keys import ApiKey, KeyText, Role, key_in, key_text
from shared.errors import Conflict, Misconfigured

if TYPE_CHECKING:
    from services.gateway.access.keyring import Keyring
    from services.gateway.control.commands import Clock
    from shared.eventlog import Documents
    from shared.settings import FirstKeySettings


@dataclass(frozen=True, slots=True)
class FirstKey:
    """An admin key of the tenant its text names."""

    text: KeyText
    name: str
    documents: Documents
    clock: Clock

    async def introduced(self, keyring: Keyring) -> Standing | None:
        """How the key stands once it is written; None when the log has it already."""
        keys = keyring.of(self.text.tenant)
        if any(each.ref.id == self.text.id for each in keys):
            return None
        now = self.clock()
        taken = {each.key.name.casefold() for each in keys if each.key.lives(now)}
        name = self.name if self.name.casefold() not in taken else f"{self.name}-{self.text.id}"
        key = ApiKey(name=name, role=Role.ADMIN, digest=self.text.digest, created=now)
        return await self._written(key)

    async def _written(self, key: ApiKey) -> Standing | None:
        """Somebody faster has written the same: the feed will tell of it."""
        ref = key_ref(self.text.tenant, self.text.id)
        document = Document(actor=key.name, at=key.created, content=key.model_dump(mode="json"))
        try:
            seq = await self.documents.write(ref, document, 0)
        except Conflict:
            return (await self.documents.standing([ref])).get(ref)
        return Standing(ref, Version(ref, seq, document))


def first_key(settings: FirstKeySettings, documents: Documents, clock: Clock) -> FirstKey | None:
    """The key that the environment brings. Raises `Misconfigured` for what is none."""
    if settings.first_key is None:
        return None
    text = key_text(settings.first_key.get_secret_value())
    if text is None:
        raise Misconfigured("GALLEY_FIRST_KEY is no key: make one with `galley keys draw`")
    return FirstKey(text, settings.first_key_name, documents, clock)


async def require_keys(documents: Documents, host: str, first: FirstKey | None) -> None:
    """Raises `Misconfigured` when others could reach a gateway that knows no key."""
    if first is not None or is_loopback(host):
        return
    now = [key_in(each.version) for each in await documents.everywhere(Kind.KEY)]
    if not any(key is not None and key.revoked is None for key in now):
        message = f"the log holds no key, and {host} is not of this machine alone"
        raise Misconfigured(f"{message}: set GALLEY_FIRST_KEY, or listen on 127.0.0.1")
