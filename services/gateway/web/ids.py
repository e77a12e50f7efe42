"""The identities a request brings into being: the same Idempotency-Key always gives the same ones.

Ids under a key are UUIDv5 of tenant, the key's owner, the key and (for a command) the post; without
a key they are random.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID, uuid4, uuid5  # noqa: TID251  the edge where ids are made

from shared.domain.values import CommandRef

if TYPE_CHECKING:
    from shared.domain.documents import DocRef
    from shared.domain.subjects import PostRef

_NAMESPACE = UUID("5b0f6a0e-1d55-5c7e-9f5e-6c1c3a7d2f10")
_OWNER = "local"
_SEPARATOR = "\x1f"


def post_id(tenant: str, key: str | None) -> UUID:
    """The id of a post to be created."""
    return _random() if key is None else _named(tenant, _OWNER, key)


def row_id(tenant: str, key: str | None, row: int) -> UUID:
    """The id of the post in this row of a batch."""
    return _random() if key is None else _named(tenant, _OWNER, key, f"row {row}")


def command_ref(ref: PostRef, key: str | None, asked: str, actor: str) -> CommandRef:
    """Names one command on a post; `asked` is what was asked for, whole, in a stable spelling."""
    name = _random() if key is None else _named(ref.tenant, _OWNER, key, str(ref.id))
    return CommandRef(id=name, digest=sha256(asked.encode()).hexdigest(), actor=actor)


def profile_id(tenant: str, key: str | None) -> UUID:
    """The id of a profile to be created."""
    return _random() if key is None else _named(tenant, _OWNER, "profile", key)


def document_command(ref: DocRef, key: str | None, asked: str, actor: str) -> CommandRef:
    """Names one change of a document, as `command_ref` does for a post."""
    name = _random() if key is None else _named(ref.tenant, _OWNER, key, ref.subject)
    return CommandRef(id=name, digest=sha256(asked.encode()).hexdigest(), actor=actor)


def problem_id() -> str:
    """Names one failure, so that what a client saw can be found in our log."""
    return _random().hex


def _named(*parts: str) -> UUID:
    return uuid5(_NAMESPACE, _SEPARATOR.join(parts))


def _random() -> UUID:
    return uuid4()
