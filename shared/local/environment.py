"""What each service of a local plant is told: its settings, as environment variables, and no
more."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, get_args

from shared.domain.keys import is_name
from shared.domain.values import Provider, Stage
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDERS: tuple[Provider, ...] = get_args(Provider.__value__)
SERVICES = (*(str(stage) for stage in Stage), "projector", "gateway")
"""The eight services, stages first, in running order."""

NEEDS: Mapping[str, tuple[Provider, ...]] = {
    "research": ("perplexity",),
    "outline": ("claude",),
    "write": ("claude",),
    "edit": ("claude",),
    "images": ("claude", "gemini"),
    "ready": ("claude",),
}
LIVE_DAY_USD = "5"
"""What a day may cost with real providers, unless somebody says otherwise."""
FIRST_KEY = "GALLEY_FIRST_KEY"
WEBHOOK_SECRET = "GALLEY_WEBHOOK_SECRET"  # noqa: S105  only its name
ANONYMOUS = "local"
READS_ROWS = ("projector", "gateway")
INHERITED = (
    "PATH",
    "PYTHONPATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
)
"""What says where things are on this machine, and the way to the internet from it."""
PATHS: Mapping[Provider, str] = {
    "claude": "/anthropic",
    "gemini": "/gemini",
    "perplexity": "/perplexity",
}
USUAL_NAMES: Mapping[Provider, str] = {
    "claude": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "perplexity": "PERPLEXITY_API_KEY",
}


def chosen_keys(simulated: frozenset[Provider], environ: Mapping[str, str]) -> dict[str, str]:
    """The keys of the real providers. Raises `Misconfigured` naming the first that is missing."""
    keys: dict[str, str] = {}
    for provider in PROVIDERS:
        if provider in simulated:
            continue
        own, usual = f"GALLEY_{provider.upper()}_API_KEY", USUAL_NAMES[provider]
        key = (environ.get(own) or environ.get(usual) or "").strip()
        if not key:
            message = f"{usual} is not set: set it, or simulate it with --simulate {provider}"
            raise Misconfigured(message)
        keys[provider] = key
    return keys


def inherited(environ: Mapping[str, str]) -> dict[str, str]:
    """What every child process may know of this machine."""
    return {name: environ[name] for name in INHERITED if name in environ}


def _is_setting(name: str) -> bool:
    secret = name.endswith(("_API_KEY", "_PASSWORD")) or name in (WEBHOOK_SECRET, FIRST_KEY)
    return name.startswith("GALLEY_") and not secret


def login_name() -> str:
    """What the person is called who started this, if it can stand as the name of a key."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        return ANONYMOUS
    return name if is_name(name) else ANONYMOUS


class Environment:
    """Builds the environment of every service of one plant."""

    def __init__(
        self,
        *,
        nats: str,
        passwords: Mapping[str, str],
        dsn: str,
        simulator: str,
        keys: Mapping[str, str],
        first_key: str,
        extra: Mapping[str, str],
    ) -> None:
        self._nats = nats
        self._passwords = passwords
        self._dsn = dsn
        self._simulator = simulator
        self._keys = keys
        self._first_key = first_key
        self._extra = extra

    def of(self, service: str, health_port: int) -> dict[str, str]:
        """Everything `service` is told. Settings of ours in the plant's own environment go on, but
        a secret goes only to those who use it."""
        told = {
            **inherited(os.environ),
            **{name: value for name, value in os.environ.items() if _is_setting(name)},
            "PYTHONUNBUFFERED": "1",
            "GALLEY_NATS_URL": self._nats,
            "GALLEY_NATS_USER": service,
            "GALLEY_NATS_PASSWORD": self._passwords[service],
            "GALLEY_HEALTH_PORT": str(health_port),
            "GALLEY_SIMULATED": ",".join(self.simulated),
        }
        if service in READS_ROWS:
            told["GALLEY_POSTGRES_DSN"] = self._dsn
        if service == "projector":
            told["GALLEY_ERASER_PASSWORD"] = self._passwords["eraser"]
        if service == "gateway":
            told |= self._of_gateway()
        if self._keys:
            told.setdefault("GALLEY_DAY_BUDGET_USD", LIVE_DAY_USD)
        for provider in NEEDS.get(service, ()):
            told |= self._access(provider)
        return told | dict(self._extra)

    def _of_gateway(self) -> dict[str, str]:
        told = {FIRST_KEY: self._first_key, f"{FIRST_KEY}_NAME": login_name()}
        if WEBHOOK_SECRET in os.environ:
            told[WEBHOOK_SECRET] = os.environ[WEBHOOK_SECRET]
        return told

    @property
    def simulated(self) -> tuple[str, ...]:
        return tuple(provider for provider in PROVIDERS if provider not in self._keys)

    def _access(self, provider: Provider) -> dict[str, str]:
        name = f"GALLEY_{provider.upper()}"
        if provider in self._keys:
            return {f"{name}_API_KEY": self._keys[provider]}
        return {
            f"{name}_API_KEY": "simulated",
            f"{name}_BASE_URL": f"{self._simulator}{PATHS[provider]}",
        }
