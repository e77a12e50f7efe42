"""API keys: who may ask the gateway, as admins list, make and revoke them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from shared.client.requests import Requests, given

if TYPE_CHECKING:
    from collections.abc import Sequence


class ApiKey(TypedDict):
    """A key, without what would let anybody in."""

    id: str
    tenant: str
    name: str
    role: str
    created: str
    expires: str | None
    revoked: str | None
    last_used: str | None
    live: bool


class MadeKey(ApiKey):
    """`key` is what its owner sends: it is told here, and never again."""

    key: str


class Link(TypedDict):
    """Where a browser gets a session: once, until it `expires`."""

    path: str
    expires: str


class _ApiKeys(TypedDict):
    items: Sequence[ApiKey]


class Keys(Requests):
    """The part of the client that is about keys. `tenant` is one's own unless an admin of `main`
    says another."""

    async def keys(self, *, tenant: str | None = None) -> Sequence[ApiKey]:
        """Every key that ever was, oldest first."""
        return (await self._one(_ApiKeys, "/api/keys", {"tenant": tenant}))["items"]

    async def create_key(
        self,
        name: str,
        role: str,
        *,
        expires_in_days: int | None = None,
        tenant: str | None = None,
        idempotency_key: str | None = None,
    ) -> MadeKey:
        """Make a key. Raises `StateConflict` when a live key has this name, and when this very
        request has made one already: a key is told once."""
        asked = {"name": name, "role": role, "expires_in_days": expires_in_days, "tenant": tenant}
        return await self._changed(
            MadeKey, "POST", "/api/keys", body=given(asked), key=idempotency_key
        )

    async def link(self) -> Link:
        """A link that lets a browser in, in the name of this key."""
        return await self._changed(Link, "POST", "/api/session/links")

    async def revoke_key(
        self,
        key_id: str,
        *,
        force: bool = False,
        tenant: str | None = None,
        idempotency_key: str | None = None,
    ) -> ApiKey:
        """Let its owner in no more. Raises `StateConflict` for the last admin key, if not
        forced."""
        asked = {"force": force, "tenant": tenant}
        return await self._changed(
            ApiKey, "DELETE", f"/api/keys/{key_id}", asked=asked, key=idempotency_key
        )
