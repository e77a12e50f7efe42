"""Who asks: the key a request came with, as far as a route may know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shared.domain.keys import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """`name` is the actor of everything this key does; `id` is empty for who came without one,
    `session` for who came with the key itself."""

    tenant: str
    id: str
    name: str
    role: Role
    session: str = ""


TENANT_OF_ALL: Final = "main"
"""Its admins make the first keys of other tenants, and see how busy the press is."""

NOBODY: Final = Caller(tenant="", id="", name="nobody", role=Role.VIEWER)
"""Who came without a key, to an address that asks for none."""

COOKIE: Final = "galley"
"""The cookie that a session is shown with."""

CALLER: Final = "galley.caller"
"""Where an ASGI scope tells who asks."""
