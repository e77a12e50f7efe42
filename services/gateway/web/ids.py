"""The identities a request brings into being: the same Idempotency-Key always gives the same ones.

Ids under an Idempotency-Key are UUIDv5 of the tenant, who asks, the Idempotency-Key and (for a
command) the post; without one they are random.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID, uuid4, uuid5  # noqa: TID251  the edge where ids are made

from shared.domain.keys import ID_CHARACTERS
from shared.domain.values import CommandRef

if TYPE_CHECKING:
    from services.gateway.context import Gateway
    from shared.domain.documents import DocRef
    from shared.domain.subjects import PostRef

_NAMESPACE = UUID("5b0f6a0e-1d55-5c7e-9f5e-6c1c3a7d2f10")
_SEPARATOR = "\x1f"


def post_id(gateway: Gateway, key: str | None) -> UUID:
    """The id of a post to be created."""
    return _of(gateway, key)


def row_id(gateway: Gateway, key: str | None, row: int) -> UUID:
    """The id of the post in this row of a batch."""
    return _of(gateway, key, f"row {row}")


def command_ref(gateway: Gateway, ref: PostRef, key: str | None, asked: str) -> CommandRef:
    """Names one command on a post; `asked` is what was asked for, whole, in a stable spelling."""
    return _command(gateway, key, str(ref.id), asked)


def profile_id(gateway: Gateway, key: str | None) -> UUID:
    """The id of a profile to be created."""
    return _random() if key is None else _named(gateway.tenant, gateway.actor, "profile", key)


def key_id(gateway: Gateway, key: str | None) -> str:
    """The id of an API key to be made."""
    return _of(gateway, key, "key").hex[:ID_CHARACTERS]


def document_command(gateway: Gateway, ref: DocRef, key: str | None, asked: str) -> CommandRef:
    """Names one change of a document, as `command_ref` does for a post."""
    return _command(gateway, key, ref.subject, asked)


def _command(gateway: Gateway, key: str | None, about: str, asked: str) -> CommandRef:
    digest = sha256(asked.encode()).hexdigest()
    return CommandRef(id=_of(gateway, key, about), digest=digest, actor=gateway.actor)


def _of(gateway: Gateway, key: str | None, *about: str) -> UUID:
    if key is None:
        return _random()
    return _named(gateway.tenant, gateway.actor, key, *about)


def problem_id() -> str:
    """Names one failure, so that what a client saw can be found in our log."""
    return _random().hex


def _named(*parts: str) -> UUID:
    return uuid5(_NAMESPACE, _SEPARATOR.join(parts))


def _random() -> UUID:
    return uuid4()
