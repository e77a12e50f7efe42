"""Which profile a person means: by its name, or by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from shared.errors import GalleyError, Misconfigured

if TYPE_CHECKING:
    from shared.client import Gateway
    from shared.client.reports import Profile


class NoSuchName(GalleyError):
    """No profile is named so."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no profile is named {name!r}; see galley profiles list")


async def profile_of(gateway: Gateway, named: str) -> Profile:
    """The profile with this id or name. Raises `NotFound`, `NoSuchName`, `Misconfigured`."""
    found = await find(gateway, named)
    if found is None:
        raise NoSuchName(named)
    return found


async def find(gateway: Gateway, named: str) -> Profile | None:
    """The same, or None. Raises `NotFound` for an id, `Misconfigured` for a name of several."""
    try:
        return await gateway.profile(str(UUID(named)))
    except ValueError:
        found = [each async for each in gateway.profiles(named) if _is(each, named)]
    if len(found) > 1:
        ids = ", ".join(each["id"] for each in found)
        raise Misconfigured(f"{len(found)} profiles are named {named!r}: say which, {ids}")
    return found[0] if found else None


def _is(profile: Profile, named: str) -> bool:
    return profile["name"].casefold() == named.strip().casefold()
