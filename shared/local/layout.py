"""What stands where in a plant's data directory, and how another process finds the plant."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DEFAULT = "galley-data"
"""The data directory, below the present one, unless another is named."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one data directory."""

    root: Path

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def address(self) -> Path:
        """Written when the plant is ready, removed when it ends."""
        return self.root / "plant.json"

    def passwords(self, users: Iterable[str]) -> dict[str, str]:
        """The NATS users' passwords: drawn once per data directory, readable by its user only."""
        path = self.root / "nats-users.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        drawn = {user: known.get(user) or secrets.token_urlsafe(24) for user in users}
        path.touch(mode=0o600)
        path.write_text(json.dumps(drawn))
        return drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A running plant: where its gateway answers, and which providers are simulated."""

    gateway: str
    simulator: str
    simulated: tuple[str, ...]
    pid: int
    pids: dict[str, int]

    def write(self, layout: Layout) -> None:
        fresh = layout.address.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=2))
        fresh.replace(layout.address)

    @staticmethod
    def read(layout: Layout) -> Address:
        """Raises `Misconfigured` when no plant runs on this data directory."""
        try:
            told = json.loads(layout.address.read_text())
            return Address(**{**told, "simulated": tuple(told["simulated"])})
        except FileNotFoundError:
            message = f"no plant runs on {layout.root}: start one with `galley up`"
            raise Misconfigured(message) from None
        except (ValueError, TypeError, KeyError) as error:
            message = f"{layout.address} is no plant's address: stop the plant and start it again"
            raise Misconfigured(message) from error
