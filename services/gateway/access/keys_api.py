"""The keys themselves: admins list them, make them and revoke them.

A key is shown in the answer to its making and nowhere else; the log has its digest only.
"""

# ruff: noqa: TC001  (FastAPI reads the annotations)

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response

from services.gateway.access.caller import TENANT_OF_ALL
from services.gateway.access.keyring import Held, held_in
from services.gateway.access.keys_models import (
    KeyMade,
    KeyOrder,
    KeyRead,
    Keys,
    OfTenant,
    Revocation,
)
from services.gateway.access.refused import Forbidden, LastAdmin, MadeBefore, NameTaken
from services.gateway.context import Gateway, Wired
from services.gateway.control.deciding import SEQUENCE, Key, spelled
from services.gateway.documents.documents import change
from services.gateway.web import ids
from services.gateway.web.documented import DOCUMENT_WRITTEN, LISTED
from services.gateway.web.problems import Missing
from shared.domain.documents import DocRef, Document, Standing, Version, key_ref
from shared.domain.keys import SECRET_BYTES, ApiKey, KeyText, Role, key_in
from shared.errors import CommandReused, Conflict, LogUnavailable

if TYPE_CHECKING:
    from services.gateway.documents.documents import Content
    from shared.domain.values import CommandRef

router = APIRouter(prefix="/api/keys", tags=["keys"])

type KeyId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="The key's id.")]


@router.get("", responses=LISTED)
async def list_keys(gateway: Wired, asked: Annotated[OfTenant, Query()]) -> Keys:
    """Every key that ever was, oldest first, without what would let anybody in."""
    tenant = _tenant(gateway, asked.tenant)
    return Keys(items=[_read(gateway, each) for each in gateway.keyring.of(tenant)])


@router.post("", status_code=201, responses=DOCUMENT_WRITTEN)
async def create_key(
    gateway: Wired, asked: KeyOrder, response: Response, idempotency_key: Key = None
) -> KeyMade:
    """Make a key. It is shown in this answer and never again, also not to the same request."""
    tenant = _tenant(gateway, asked.tenant)
    text = KeyText(tenant, ids.key_id(gateway, idempotency_key), secrets.token_hex(SECRET_BYTES))
    ref = key_ref(tenant, text.id)
    by = ids.document_command(gateway, ref, idempotency_key, spelled("create key", asked))
    if held_in(gateway.keyring, tenant, text.id) is None:
        _require_free(gateway, tenant, asked.name)
    held = await _made(gateway, ref, by, _key(gateway, asked, text))
    response.headers[SEQUENCE] = str(held.seq)
    return KeyMade(**_read(gateway, held).model_dump(), key=str(text))


def _key(gateway: Gateway, asked: KeyOrder, text: KeyText) -> ApiKey:
    now, days = gateway.clock(), asked.expires_in_days
    expires = now + timedelta(days=days) if days else None
    return ApiKey(
        name=asked.name, role=asked.role, digest=text.digest, created=now, expires=expires
    )


async def _made(gateway: Gateway, ref: DocRef, by: CommandRef, key: ApiKey) -> Held:
    """Raises `MadeBefore`, `CommandReused`, `LogUnavailable`."""
    content = key.model_dump(mode="json")
    document = Document(actor=by.actor, at=key.created, command=by, content=content)
    try:
        seq = await gateway.documents.write(ref, document, 0)
    except Conflict:
        seq = await _stored_after_all(gateway, ref, by, key)
    gateway.keyring.take(Standing(ref, Version(ref, seq, document)))
    return Held(ref, seq, key, None)


async def _stored_after_all(gateway: Gateway, ref: DocRef, by: CommandRef, key: ApiKey) -> int:
    """The server did not say, and has stored it: then the digest is this very key's."""
    now = (await gateway.documents.standing([ref])).get(ref, Standing(ref))
    if now.version is None:
        raise LogUnavailable("the log did not confirm the key; try again")
    there = key_in(now.version)
    if there is not None and there.digest == key.digest:
        return now.version.seq
    known = now.version.document.command
    if known is not None and known.id == by.id and known.digest != by.digest:
        raise CommandReused
    raise MadeBefore(ref.id)


@router.delete("/{key_id}", responses=DOCUMENT_WRITTEN)
async def revoke_key(
    gateway: Wired,
    key_id: KeyId,
    asked: Annotated[Revocation, Query()],
    response: Response,
    idempotency_key: Key = None,
) -> KeyRead:
    """Let its owner in no more, on every replica within moments. There is no way back."""
    tenant = _tenant(gateway, asked.tenant)
    held = held_in(gateway.keyring, tenant, key_id)
    if held is None:
        raise Missing("there is no such key")
    if held.key.revoked is None:
        held = await _revoked(gateway, held, asked, idempotency_key)
        response.headers[SEQUENCE] = str(held.seq)
    return _read(gateway, held)


async def _revoked(gateway: Gateway, held: Held, asked: Revocation, key: str | None) -> Held:
    if not asked.force:
        _require_other_admin(gateway, held)
    by = ids.document_command(gateway, held.ref, key, spelled(f"revoke key {asked.force}"))
    now = gateway.clock()

    def ended(version: Version | None) -> Content:
        there = key_in(version) or held.key
        return there.model_copy(update={"revoked": now}).model_dump(mode="json")

    stored = await change(gateway, held.ref, by, None, ended)
    gateway.keyring.take(Standing(held.ref, stored))
    return held._replace(seq=stored.seq, key=key_in(stored) or held.key)


def _require_other_admin(gateway: Gateway, held: Held) -> None:
    """Raises `LastAdmin`."""
    now = gateway.clock()
    left = [
        each
        for each in gateway.keyring.of(held.ref.tenant)
        if each.ref != held.ref and each.key.role is Role.ADMIN and each.key.lives(now)
    ]
    if held.key.role is Role.ADMIN and held.key.lives(now) and not left:
        raise LastAdmin


def _require_free(gateway: Gateway, tenant: str, name: str) -> None:
    """Raises `NameTaken`: what a key has done is told by its name."""
    now, wanted = gateway.clock(), name.casefold()
    if any(
        each.key.name.casefold() == wanted and each.key.lives(now)
        for each in gateway.keyring.of(tenant)
    ):
        raise NameTaken


def _tenant(gateway: Gateway, asked: str | None) -> str:
    """Whose keys are meant. Raises `Forbidden`."""
    if asked is None or asked == gateway.tenant:
        return gateway.tenant
    if gateway.tenant != TENANT_OF_ALL:
        raise Forbidden(f"only admins of {TENANT_OF_ALL} may name another tenant")
    return asked


def _read(gateway: Gateway, held: Held) -> KeyRead:
    key = held.key
    return KeyRead(
        id=held.ref.id,
        tenant=held.ref.tenant,
        name=key.name,
        role=key.role,
        created=key.created,
        expires=key.expires,
        revoked=key.revoked,
        last_used=held.used,
        live=key.lives(gateway.clock()),
    )
