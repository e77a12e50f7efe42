"""Documents are profiles, settings, rules and keys: every version is kept, the newest one is in
force.

A version is known by the sequence at which it was stored. A deleted document is one whose newest
version has no content. What somebody has put at a document's place and cannot be read changes
nothing: the version below it stays in force, and the next one is put above it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pydantic import ConfigDict, Field, JsonValue, ValidationError

from shared.domain.keys import key_in, used_in
from shared.domain.profiles import Profile
from shared.domain.sessions import session_in
from shared.domain.values import CommandRef, GateMode, Stage, Value
from shared.errors import Malformed, TooNew

if TYPE_CHECKING:
    from uuid import UUID

SCHEMA: Final = 1
"""The version of the shape in which a document is stored."""

_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Kind(StrEnum):
    PROFILE = "profile"
    SETTINGS = "settings"
    RULES = "rules"
    KEY = "key"
    USED = "used"
    """When a key was used last, apart from the key itself: it changes all the time."""
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class DocRef:
    """A document's address. Each part is one word of its subject, and no more."""

    tenant: str
    kind: Kind
    id: str

    def __post_init__(self) -> None:
        if not (_WORD.fullmatch(self.tenant) and _WORD.fullmatch(self.id)):
            raise ValueError("a document is addressed by plain words")

    @property
    def subject(self) -> str:
        return f"{every(self.tenant, self.kind).removesuffix('>')}{self.id}"


def every(tenant: str, kind: Kind) -> str:
    """Filter over all documents of a kind; the tenant `*` stands for all of them."""
    return f"docs.{tenant}.{kind}.>"


def ref_of(subject: str) -> DocRef | None:
    """The document whose versions stand at this subject; None when it is nobody's place."""
    match subject.split("."):
        case ["docs", tenant, kind, name] if kind in _KINDS:
            try:
                return DocRef(tenant, Kind(kind), name)
            except ValueError:
                return None
    return None


_KINDS: Final = frozenset(Kind)


def profile_ref(tenant: str, profile: UUID) -> DocRef:
    return DocRef(tenant, Kind.PROFILE, str(profile))


def settings_ref(tenant: str) -> DocRef:
    return DocRef(tenant, Kind.SETTINGS, "global")


def rules_ref(tenant: str, stage: Stage) -> DocRef:
    return DocRef(tenant, Kind.RULES, stage.value)


def key_ref(tenant: str, key: str) -> DocRef:
    return DocRef(tenant, Kind.KEY, key)


def session_ref(tenant: str, session: str) -> DocRef:
    return DocRef(tenant, Kind.SESSION, session)


def used_ref(tenant: str, key: str) -> DocRef:
    return DocRef(tenant, Kind.USED, key)


class Document(Value):
    """One version, as it is stored. `command` lets the repetition of a request be recognised."""

    schema_version: int = SCHEMA
    actor: str
    at: datetime
    command: CommandRef | None = None
    content: dict[str, JsonValue] | None = None


class Version(NamedTuple):
    """A document as it was read, and the sequence at which it stands."""

    ref: DocRef
    seq: int
    document: Document


class Unreadable(NamedTuple):
    """What stands at a document's place and is no version of it; newer code may know better."""

    seq: int
    why: str
    too_new: bool = False
    at: datetime | None = None


class Standing(NamedTuple):
    """How a document stands: the last version that can be read, and what was put above it since
    and cannot."""

    ref: DocRef
    version: Version | None = None
    above: Unreadable | None = None

    @property
    def top(self) -> int:
        """What the next version has to follow; 0 for a document that was never written."""
        if self.above is not None:
            return self.above.seq
        return self.version.seq if self.version else 0


def encode_document(document: Document) -> bytes:
    return document.model_dump_json().encode()


def decode_document(data: bytes) -> Document:
    """Raises `TooNew` for a shape this code does not know yet, `Malformed` for anything else."""
    try:
        raw: Any = json.loads(data)
        newer = raw["schema_version"] > SCHEMA
        document = None if newer else Document.model_validate_json(data)
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(f"no document of ours: {type(error).__name__}") from error
    if document is None:
        raise TooNew("a document that is newer than this code")
    return document


def version_of(ref: DocRef, seq: int, data: bytes) -> Version:
    """The version these bytes are, if what it says can be understood. Raises what
    `decode_document` does."""
    version = Version(ref, seq, decode_document(data))
    match ref.kind:
        case Kind.PROFILE:
            profile_in(version)
        case Kind.SETTINGS:
            settings_in(version)
        case Kind.RULES:
            rules_text(version)
        case Kind.KEY:
            key_in(version)
        case Kind.USED:
            used_in(version)
        case Kind.SESSION:
            session_in(version)
    return version


# --- what settings, rules and profiles say -----------------------------------------------------


_LOOSE = ConfigDict(extra="ignore")
"""What a newer gateway has added does not concern an older reader."""


class ModelChoice(Value):
    """What a stage's default model is replaced with; None and empty leave the default."""

    model_config = _LOOSE

    model: str | None = None
    effort: Literal["low", "medium", "high"] | None = None
    image_model: str | None = None


class Budgets(Value):
    """Caps in US dollars; None is no cap."""

    model_config = _LOOSE

    post_usd: float | None = None
    day_usd: float | None = None

    def over(self, day_usd: float | None) -> Budgets:
        """These; with a cap for the day where they name none."""
        return self if self.day_usd is not None else self.model_copy(update={"day_usd": day_usd})


class Webhook(Value):
    """Where to tell what happened, and which events to tell."""

    model_config = _LOOSE

    url: str
    events: tuple[str, ...] = ()


class GlobalSettings(Value):
    """The settings in force. What is not set is empty, and each reader has its own default."""

    model_config = _LOOSE

    stage_settings: dict[Stage, GateMode] = Field(default_factory=dict)
    stage_models: dict[Stage, ModelChoice] = Field(default_factory=dict)
    concurrency: dict[Stage, int] = Field(default_factory=dict)
    budgets: Budgets = Budgets()
    webhook: Webhook | None = None


def settings_in(version: Version | None) -> GlobalSettings:
    """The settings a version holds. Raises `Malformed`."""
    values = (version.document.content if version else None) or {}
    try:
        return GlobalSettings.model_validate(values.get("values", {}))
    except ValidationError as error:
        raise Malformed("the settings document holds no settings of ours") from error


def rules_text(version: Version | None) -> str | None:
    """The edited rules a version holds; None for the shipped ones. Raises `Malformed`."""
    content = version.document.content if version else None
    if content is None:
        return None
    text = content.get("text")
    if not isinstance(text, str):
        raise Malformed("the rules document holds no text")
    return text


def profile_in(version: Version | None) -> Profile | None:
    """The profile a version holds; None for a deleted one. Raises `Malformed`."""
    content = version.document.content if version else None
    if content is None:
        return None
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        raise Malformed("a profile's document holds no profile") from error
