"""Keys that tests show: the one that everything is asked with, and others as they are needed."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from shared.domain.documents import Document, Standing, Version, key_ref
from shared.domain.keys import ID_CHARACTERS, ApiKey, KeyText, Role
from shared.testing import NOW

if TYPE_CHECKING:
    from datetime import datetime


def key_of(name: str, tenant: str = "main") -> KeyText:
    """The same key for the same name."""
    secret = sha256(f"{tenant} {name}".encode()).hexdigest()
    return KeyText(tenant, secret[:ID_CHARACTERS], secret[::-1])


def shown(text: KeyText) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {text}"}


def standing(
    text: KeyText,
    name: str = "local",
    role: Role = Role.ADMIN,
    *,
    seq: int = 0,
    expires: datetime | None = None,
    revoked: datetime | None = None,
) -> Standing:
    """How a key stands that somebody has made."""
    key = ApiKey(
        name=name, role=role, digest=text.digest, created=NOW, expires=expires, revoked=revoked
    )
    ref = key_ref(text.tenant, text.id)
    document = Document(actor="local", at=NOW, content=key.model_dump(mode="json"))
    return Standing(ref, Version(ref, seq, document))


KEY: Final = key_of("local")
BEARER: Final = shown(KEY)
