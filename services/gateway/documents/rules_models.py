"""What is said about a stage's rules: the text, its versions, and how two of them differ."""

# ruff: noqa: TC001, TC003  (pydantic reads the annotations)

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from services.gateway.web.answers import Answer
from services.gateway.web.schemas import Asked
from services.gateway.web.text import Content, whole
from shared.domain.values import Stage

MAX_CHARACTERS = 64 * 1024
MAX_LINES = 2_000
_MAX_VERSION = 10**15

type Source = Literal["shipped", "edited"]
type Listed = Literal["shipped", "edited", "unreadable"]
type VersionNumber = Annotated[int, Field(ge=1, le=_MAX_VERSION)]
type Side = Annotated[
    str,
    StringConstraints(pattern=r"^(?:shipped|[1-9][0-9]{0,14})$"),
    Field(description="a version's number, or `shipped`", examples=["shipped"]),
]


def _bounded(text: str) -> str:
    if text.count("\n") > MAX_LINES:
        raise ValueError(f"may have {MAX_LINES:,} lines at most")
    return text


type Number = Annotated[int, Field(strict=True, ge=1, le=_MAX_VERSION), BeforeValidator(whole)]


class RulesChange(Asked):
    """The whole new text."""

    content: Annotated[Content, Field(max_length=MAX_CHARACTERS), AfterValidator(_bounded)]


class Restoration(Asked):
    """Which version to put in force again: its number, or `shipped`."""

    version: (
        Annotated[int, Field(strict=True, ge=1, le=_MAX_VERSION), BeforeValidator(whole)]
        | Literal["shipped"]
    )


class DiffFilter(Asked):
    """The two sides; unnamed, the shipped rules and those in force."""

    from_: Side = Field(default="shipped", alias="from")
    to: Side | None = None


class RulesSummary(Answer):
    """The rules in force for a stage. `version` is 0 until somebody has changed them."""

    stage: Stage
    source: Source
    version: int
    size: int
    updated_at: datetime | None


class RulesUnreadable(Answer):
    """What was stored above the version in force and cannot be read: damaged, or written by a newer
    Galley. Who builds over it names its `version` in If-Match."""

    version: int
    why: Literal["damaged", "newer"]


class RulesListed(RulesSummary):
    """The rules in force, and what stands above them unread; null when nothing does."""

    unreadable: RulesUnreadable | None


class RulesRead(RulesSummary):
    content: str


class RulesVersion(Answer):
    """One change: an edit, or the return to the shipped rules. Of what cannot be read only its
    place is known, and when it was stored."""

    version: int
    source: Listed
    actor: str = ""
    at: datetime | None
    size: int = 0


class RulesHistory(Answer):
    """Versions, and the cursor of the next page; null when there is none."""

    items: list[RulesVersion]
    next: int | None


class RulesDiff(Answer):
    """A unified diff; empty when the two sides are the same."""

    stage: Stage
    from_version: str
    to_version: str
    diff: str
