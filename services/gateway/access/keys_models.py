"""What is said about keys over HTTP. The secret is in one answer only, that of its making."""

# ruff: noqa: TC003  (pydantic reads the annotations)

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from services.gateway.web.answers import Answer
from services.gateway.web.schemas import Asked
from shared.domain.keys import NAME, Role

type Name = Annotated[str, Field(min_length=1, max_length=64, pattern=NAME)]
type Tenant = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class KeyOrder(Asked):
    """`tenant` is another than one's own; only admins of `main` may say it."""

    name: Name
    role: Role
    expires_in_days: Annotated[int, Field(ge=1, le=3_650)] | None = None
    tenant: Tenant | None = None


class OfTenant(Asked):
    """Whose keys; one's own unless said. Only admins of `main` may say it."""

    tenant: Tenant | None = None


class Revocation(OfTenant):
    """`force` revokes the last admin key, too."""

    force: bool = False


class KeyRead(Answer):
    """`last_used` is exact to a minute. `live`: it lets its owner in."""

    id: str
    tenant: str
    name: str
    role: Role
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None
    live: bool


class KeyMade(KeyRead):
    """`key` is what its owner sends; it is shown here and never again."""

    key: str


class Keys(Answer):
    items: list[KeyRead]
