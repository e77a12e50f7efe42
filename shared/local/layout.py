"""What stands where in a plant's data directory, and how another process finds the plant."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import psutil

from shared.domain.keys import ID_CHARACTERS, SECRET_BYTES, KeyText, key_text
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

    @property
    def api_key(self) -> Path:
        """The plant's own admin key, readable by its user only."""
        return self.root / "api-key"

    def first_key(self) -> str:
        """The key in `api-key`, drawn when there is none. Raises `Misconfigured`."""
        known = self.known_key()
        if known is not None:
            return known
        drawn = str(drawn_key("main"))
        _write_private(self.api_key, f"{drawn}\n")
        return drawn

    def known_key(self) -> str | None:
        """The key in `api-key`; None when there is none. Raises `Misconfigured`."""
        try:
            said = self.api_key.read_text().strip()
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{self.api_key} cannot be read: {error}") from error
        if key_text(said) is None:
            raise Misconfigured(f"{self.api_key} holds no key: remove it, a new one is drawn")
        return said

    def log_of(self, name: str) -> Path:
        """Where the output of a process of the plant goes."""
        folder = {"nats-server": self.nats, "postgres": self.postgres}.get(name, self.logs)
        return folder / f"{name}.log"

    def passwords(self, users: Iterable[str]) -> dict[str, str]:
        """The NATS users' passwords: drawn once per data directory, readable by its user only."""
        path = self.root / "nats-users.json"
        known = _known(path)
        drawn = {user: known.get(user) or secrets.token_urlsafe(24) for user in users}
        if drawn != known:
            _write_private(path, json.dumps(drawn))
        return drawn


def drawn_key(tenant: str) -> KeyText:
    """A key that nobody has seen yet."""
    identity = secrets.token_hex(ID_CHARACTERS // 2)
    return KeyText(tenant, identity, secrets.token_hex(SECRET_BYTES))


def _known(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Misconfigured(f"{path} cannot be read: remove it, new ones are drawn") from error
    return known if isinstance(known, dict) else {}


def _write_private(path: Path, text: str) -> None:
    """For its owner only, and whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    fresh.replace(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A running plant: where its gateway answers, which providers are simulated, who runs as which
    process, on which port each service tells whether it is ready, and where its log is."""

    gateway: str
    simulator: str
    simulated: tuple[str, ...]
    pid: int
    pids: dict[str, int]
    health: dict[str, int] = field(default_factory=dict)
    nats: str = ""

    def write(self, layout: Layout) -> None:
        _write_private(layout.address, json.dumps(asdict(self), indent=2))

    @staticmethod
    def running(layout: Layout) -> Address | None:
        """The plant whose process is there, None when nothing is known of one."""
        try:
            address = Address.read(layout)
        except Misconfigured:
            return None
        return address if psutil.pid_exists(address.pid) else None

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
