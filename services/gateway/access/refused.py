"""Why somebody is not let in."""

from __future__ import annotations

from shared.errors import GalleyError


class Unauthenticated(GalleyError):
    """Nobody we know asks: no key, or none that counts."""


class Forbidden(GalleyError):
    """The key is good, and its role too low."""


class KeysUnknown(GalleyError):
    """The keys have not been read from the log yet, so nobody can be let in."""

    def __init__(self) -> None:
        super().__init__("the keys have not been read from the log yet; try again")


class NameTaken(GalleyError):
    """A live key is called so already."""

    def __init__(self) -> None:
        super().__init__("a key of this name is in use: revoke that one, or choose another name")


class MadeBefore(GalleyError):
    """This very request has made a key already, and a key is told once."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"this request has made key {key} already, and a key is shown only once:"
            " revoke it if nobody holds it, and make another"
        )


class LastAdmin(GalleyError):
    """Without this key nobody could make another one."""

    def __init__(self) -> None:
        super().__init__(
            "this is the last admin key: without it nobody can make another; say force to mean it"
        )
