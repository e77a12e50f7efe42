"""API keys: who may speak to the gateway, and what the log keeps of them: never the secret itself.

A secret is 256 random bits, so nobody finds it by trying, and a fast digest hides it as well as a
slow one would: slow ones protect what people make up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from pydantic import ConfigDict, ValidationError

from shared.domain.values import Value
from shared.errors import Malformed

if TYPE_CHECKING:
    from shared.domain.documents import Version

ID_CHARACTERS: Final = 16
SECRET_BYTES: Final = 32
_ID = rf"[0-9a-f]{{{ID_CHARACTERS}}}"
_SECRET = rf"[0-9a-f]{{{2 * SECRET_BYTES}}}"
_TEXT: Final = re.compile(rf"galley_([A-Za-z0-9_-]{{1,64}})_({_ID})_({_SECRET})")
NAME: Final = r"^[\w.@+-](?:[\w .@+-]{0,62}[\w.@+-])?$"
"""Plain characters, so that a name can stand in every list and file name."""
_NAME: Final = re.compile(NAME)


class Role(StrEnum):
    """What a key allows; each role allows what those before it do."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    EDITOR = "editor"
    ADMIN = "admin"

    def allows(self, least: Role) -> bool:
        return _RANK[self] >= _RANK[least]


_RANK: Final = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its owner holds it. Only `str` tells the secret."""

    tenant: str
    id: str
    secret: str = field(repr=False)

    @property
    def digest(self) -> str:
        return sha256(self.secret.encode()).hexdigest()

    def __str__(self) -> str:
        return f"galley_{self.tenant}_{self.id}_{self.secret}"


def key_text(said: str) -> KeyText | None:
    """The key that somebody sent; None for what is none."""
    found = _TEXT.fullmatch(said)
    return KeyText(*found.groups()) if found else None


def is_name(text: str) -> bool:
    """Whether a key can be called this."""
    return _NAME.fullmatch(text) is not None


class ApiKey(Value):
    """A key as the log keeps it: `digest` is the SHA-256 of its secret."""

    model_config = ConfigDict(extra="ignore")

    name: str
    role: Role
    digest: str
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None

    def lives(self, now: datetime) -> bool:
        return self.revoked is None and (self.expires is None or now < self.expires)


def key_in(version: Version | None) -> ApiKey | None:
    """The key a version holds; None for a deleted one. Raises `Malformed`."""
    content = version.document.content if version else None
    if content is None:
        return None
    try:
        return ApiKey.model_validate(content)
    except ValidationError as error:
        raise Malformed("a key's document holds no key") from error


def used_in(version: Version | None) -> datetime | None:
    """When the key was used, as this version says. Raises `Malformed`."""
    content = version.document.content if version else None
    if content is None:
        return None
    try:
        return _Used.model_validate(content).at
    except ValidationError as error:
        raise Malformed("this says of no key when it was used") from error


class _Used(Value):
    at: datetime
