"""Why a notice did not arrive."""

from __future__ import annotations

from shared.errors import GalleyError


class Undelivered(GalleyError):
    """The receiver did not say yes. `code` is a short stable word; it never holds the address."""

    def __init__(self, code: str, status: int | None = None) -> None:
        super().__init__(code if status is None else f"{code} ({status})")
        self.code = code
        self.status = status
