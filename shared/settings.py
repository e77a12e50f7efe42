"""Everything that can be set, by concern, read from variables that begin with GALLEY_.

A missing or wrong setting is `Misconfigured`, in a sentence that names the variable and the cure;
secrets are never shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping  # noqa: TC003  (pydantic reads the annotations)
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from shared.domain.keys import is_name
from shared.domain.notices import EVENTS, webhook_url
from shared.domain.values import ModelSettings, NoticeEvent, Provider, Stage
from shared.errors import Misconfigured

type Wire = Literal["agent", "chat"]
type Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
_LEAST_SECRET = 16
type Port = Annotated[int, Field(ge=0, le=65_535)]


def _words(value: Any) -> Any:  # noqa: ANN401  whatever the environment or a caller holds
    """`a, b` as a list."""
    if not isinstance(value, str):
        return value
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _webhook_url(url: str) -> str:
    return webhook_url(url) if url else url


def _http_address(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ValueError("is no http(s) address")
    return url.rstrip("/")


def _one_token(value: str) -> str:
    """A tenant is a word of a subject, so it must be no more than one."""
    if not value.replace("-", "").replace("_", "").isalnum() or not value.isascii():
        raise ValueError("may hold letters, digits, - and _ only")
    return value


def _settings(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(
        env_prefix=f"GALLEY_{prefix}",
        env_ignore_empty=True,
        env_nested_delimiter=None,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )


class Nats(BaseSettings):
    """Where the log is, and as whom to connect."""

    model_config = _settings("NATS_")

    url: str = Field(description="the address of nats-server, e.g. nats://127.0.0.1:4222")
    user: str = Field(description="the service's own NATS user, e.g. research")
    password: SecretStr = Field(description="the password of that NATS user")


class Erasing(BaseSettings):
    """How the projector's process erases deleted posts; without a password it leaves that to
    others."""

    model_config = _settings("ERASER_")

    password: SecretStr | None = Field(
        default=None, description="the password of the NATS user eraser"
    )


class Postgres(BaseSettings):
    """Where the read model is. The schema is the first one on the connection's search path."""

    model_config = _settings("POSTGRES_")

    dsn: SecretStr = Field(
        description="the read model's address, e.g. postgresql://galley:...@127.0.0.1/galley"
    )


class Health(BaseSettings):
    """Where `/livez` and `/readyz` are served; port 0 takes a free one."""

    model_config = _settings("HEALTH_")

    host: str = Field(default="127.0.0.1", description="an address of this machine")
    port: Port = Field(default=0, description="a port number, 0 for any free one")


class FirstKeySettings(BaseSettings):
    """The admin key a gateway writes to the log when it is not there, and what it is called."""

    model_config = _settings("")

    first_key: SecretStr | None = Field(
        default=None, description="a key as `galley keys draw` makes one"
    )
    first_key_name: str = Field(default="local", description="a name of plain characters")

    @field_validator("first_key_name")
    @classmethod
    def _plain(cls, name: str) -> str:
        if not is_name(name):
            raise ValueError("is no name of 1 to 64 plain characters")
        return name


class Door(BaseSettings):
    """What the gateway is called, and how much it lets one key ask."""

    model_config = _settings("")

    hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=(), description="names people reach the gateway by, e.g. galley.example.org"
    )
    requests_per_s: float = Field(
        default=1_000, gt=0, le=1_000_000, description="requests a second one key may make"
    )
    streams_per_key: int = Field(
        default=1_000, ge=1, le=100_000, description="streams one key may have open"
    )


class Caller(BaseSettings):
    """With which key the command line asks a gateway."""

    model_config = _settings("")

    api_key: SecretStr | None = Field(default=None, description="an API key of the gateway")


class Process(BaseSettings):
    """What every service wants to know. `simulated` names the providers that are not real."""

    model_config = _settings("")

    tenant: Annotated[str, AfterValidator(_one_token)] = Field(
        default="main", description="the tenant this process works for"
    )
    concurrency: int = Field(
        default=4, ge=1, le=1000, description="how many stage runs at once, 1 to 1000"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="json for machines, console for people"
    )
    simulated: Annotated[tuple[Provider, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=(), description="the simulated providers, e.g. claude,gemini,perplexity"
    )
    day_budget_usd: float | None = Field(
        default=None,
        gt=0,
        le=100_000,
        allow_inf_nan=False,
        description="US dollars a day may cost where the settings name no cap, e.g. 5",
    )
    stage_deadline_s: Seconds = Field(
        default=1800, description="how many seconds one run of a stage may take"
    )
    ack_wait_s: Seconds = Field(
        default=30,
        description="after how many silent seconds a worker counts as dead, as in the topology",
    )
    drain_s: Seconds = Field(
        default=25, description="how many seconds running work gets to finish on SIGTERM"
    )


class Failpoints(BaseSettings):
    """For tests alone: where this process dies or stands still (see shared/failpoints.py). A
    process is named by its NATS user."""

    model_config = _settings("")

    failpoint: str = Field(default="", description="<name>[@nth]:<kill or stop>, comma-separated")
    failpoint_mark: Path | None = Field(
        default=None, description="a folder for the markers of what has struck already"
    )
    nats_user: str = Field(default="", description="the service's own NATS user, e.g. research")


class Attempts(BaseSettings):
    """How often a paid call is tried, and the pauses between: base, doubled, up to the longest."""

    model_config = _settings("ATTEMPTS_")

    max_attempts: int = Field(default=3, ge=1, le=20, description="a number from 1 to 20")
    backoff_base_s: Seconds = Field(default=2, description="the first pause, in seconds")
    backoff_max_s: Seconds = Field(default=60, description="the longest pause, in seconds")
    outage_pause_s: Seconds = Field(
        default=10, description="the first pause, in seconds, when a provider is away for everybody"
    )
    outage_pause_max_s: Seconds = Field(
        default=300, description="the longest such pause, in seconds"
    )


class Webhook(BaseSettings):
    """Whom to tell that a post waits, failed or is complete, and how to sign it.

    The secret is set here and nowhere else, so that no document, fact or log ever holds it.
    `allow_private` lets notices go to addresses of this machine and of private networks;
    `desk_url` is where people reach the gateway, for the link in a notice.
    """

    model_config = _settings("WEBHOOK_")

    url: Annotated[str, AfterValidator(_webhook_url)] = Field(
        default="", description="an https address, or an http one of this machine"
    )
    events: Annotated[tuple[NoticeEvent, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=EVENTS, description="some of review,failed,complete"
    )
    allow_private: bool = Field(default=False, description="1 or 0")
    desk_url: Annotated[str, AfterValidator(_http_address)] = Field(
        default="", description="an http(s) address"
    )
    secret: SecretStr | None = Field(
        default=None,
        validate_default=True,
        description="16 characters or more that only the receiver knows too",
    )

    @field_validator("secret")
    @classmethod
    def _strong(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is None and info.data.get("url"):
            raise ValueError("is needed to sign what goes to GALLEY_WEBHOOK_URL")
        if secret is not None and len(secret.get_secret_value()) < _LEAST_SECRET:
            raise ValueError("is too short")
        return secret


class Access(TypedDict):
    """What every provider's `connect` takes."""

    api_key: str
    base_url: str
    deadline: float


class ProviderSettings(BaseSettings):
    """One provider: its address, the key and how long one call may take in all."""

    model_config = _settings("")

    api_key: SecretStr = Field(description="the provider's API key")
    base_url: str = Field(default="", description="an http(s) address")
    timeout_s: Seconds = Field(default=300, description="seconds one call may take")

    def access(self) -> Access:
        """For `connect(**...)`; the key leaves its wrapping here and nowhere else."""
        return {
            "api_key": self.api_key.get_secret_value(),
            "base_url": self.base_url,
            "deadline": self.timeout_s,
        }

    @field_validator("base_url")
    @classmethod
    def _reachable(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("is no http(s) address")
        return url


class Claude(ProviderSettings):
    model_config = _settings("CLAUDE_")

    base_url: str = Field(default="https://api.anthropic.com", description="an http(s) address")


class Gemini(ProviderSettings):
    model_config = _settings("GEMINI_")

    base_url: str = Field(
        default="https://generativelanguage.googleapis.com", description="an http(s) address"
    )
    timeout_s: Seconds = Field(default=180, description="seconds one call may take")


class Perplexity(ProviderSettings):
    """`wire` chooses the API: `agent`, the current one, or `chat`, the older sonar endpoint."""

    model_config = _settings("PERPLEXITY_")

    base_url: str = Field(default="https://api.perplexity.ai", description="an http(s) address")
    timeout_s: Seconds = Field(default=120, description="seconds one call may take")
    wire: Wire = Field(default="agent", description="agent or chat")


_CLAUDE = ModelSettings(provider="claude", model="claude-sonnet-5-5")
_QUICK = ModelSettings(provider="claude", model="claude-haiku-5-5")
_SEARCH: Mapping[Wire, str] = {"agent": "perplexity/sonar", "chat": "sonar-pro"}


class Models(BaseSettings):
    """Which model a stage calls unless its post says otherwise.

    GALLEY_MODELS is a JSON object that names only the stages to change; `perplexity_wire` is the
    wire that research is asked on, since the same model has another name on each.
    """

    model_config = _settings("")

    models: dict[Stage, ModelSettings] = Field(
        default={},
        description='JSON, e.g. {"write": {"provider": "claude", "model": "claude-opus-5-5"}}',
    )
    perplexity_wire: Wire = Field(default="agent", description="agent or chat")

    def of_stages(self) -> dict[Stage, ModelSettings]:
        """The model of every stage."""
        search = ModelSettings(provider="perplexity", model=_SEARCH[self.perplexity_wire])
        pictures = _QUICK.model_copy(update={"image_model": "gemini-3.1-flash-image"})
        defaults = {
            Stage.RESEARCH: search,
            Stage.OUTLINE: _CLAUDE,
            Stage.WRITE: _CLAUDE,
            Stage.EDIT: _CLAUDE,
            Stage.IMAGES: pictures,
            Stage.READY: _QUICK,
        }
        return {**defaults, **self.models}


def load[T: BaseSettings](settings: type[T]) -> T:
    """These settings from the environment. Raises `Misconfigured`."""
    try:
        return settings()
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False, include_context=False)
        raise Misconfigured("; ".join(_sentence(settings, each) for each in wrong)) from None
    except SettingsError as error:
        raise Misconfigured(_unreadable(settings, str(error))) from None


def _sentence(settings: type[BaseSettings], wrong: Mapping[str, Any]) -> str:
    name = str(wrong["loc"][0]) if wrong["loc"] else ""
    problem = "is not set" if wrong["type"] == "missing" else f"is wrong ({wrong['msg']})"
    return f"{_variable(settings, name)} {problem}: set it to {_cure(settings, name)}"


def _unreadable(settings: type[BaseSettings], told: str) -> str:
    """A value that should have been JSON and is not; the message of the library names the field."""
    name = next((each for each in settings.model_fields if f'"{each}"' in told), "")
    return f"{_variable(settings, name)} is no valid JSON: set it to {_cure(settings, name)}"


def _variable(settings: type[BaseSettings], name: str) -> str:
    return f"{settings.model_config.get('env_prefix', '')}{name}".upper()


def _cure(settings: type[BaseSettings], name: str) -> str:
    field = settings.model_fields.get(name)
    return field.description or "another value" if field else "another value"


def secrets(*settings: BaseModel) -> Iterator[str]:
    """Every secret these settings hold, to be kept out of logs; of an address its password too."""
    for each in settings:
        for name in type(each).model_fields:
            value = getattr(each, name)
            if isinstance(value, SecretStr):
                yield from _parts(value.get_secret_value())


def _parts(secret: str) -> Iterator[str]:
    yield secret
    try:
        password = urlsplit(secret).password if "://" in secret else None
    except ValueError:
        password = None
    if password:
        yield from {password, unquote(password)}
