"""What can be asked of a post. A command is a wish: `decide` turns it into facts, or refuses it.

`by` names a person's command, so that its repetition is recognised (`CommandRef`). Commands of the
stages and of the duty loop carry none: the run, review or deadline they name makes them safe to
repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from shared.domain.events import CallName, Spent
    from shared.domain.values import (
        CommandRef,
        GateMode,
        GateTerms,
        Metrics,
        ModelSettings,
        PostConfig,
        Redo,
        Source,
        Stage,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    post_id: UUID
    by: CommandRef | None = None


# --- people -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePost(Command):
    """`start=False` leaves the post waiting for a run command, whatever its gates say."""

    config: PostConfig
    gates: dict[Stage, GateMode] = field(default_factory=dict)
    models: dict[Stage, ModelSettings] = field(default_factory=dict)
    gate_deadline_s: int | None = None
    gate_outcome: Literal["approve", "cancel"] = "cancel"
    rules: dict[Stage, int] = field(default_factory=dict)
    start: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurePost(Command):
    config: PostConfig | None = None
    gates: dict[Stage, GateMode] = field(default_factory=dict)
    models: dict[Stage, ModelSettings] = field(default_factory=dict)
    terms: GateTerms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPipeline(Command):
    """Run every unfinished stage in order. `ungated` sets their gates to auto first (run-all)."""

    ungated: bool = False
    rules: dict[Stage, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStage(Command):
    """Run one stage (again); `cascade` lets the stages after it follow, `redo` asks the images
    stage for one picture alone."""

    stage: Stage
    cascade: bool = False
    redo: Redo | None = None
    rules: dict[Stage, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPost(Command):
    """Set every output aside and begin again at research."""

    rules: dict[Stage, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveStage(Command):
    """Accept the open review. `review` names it; None only until the first read has bound it."""

    actor: str
    review: int | None = None
    edited: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectStage(Command):
    """Refuse the open review; the stage runs again and is told `note`."""

    actor: str
    review: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditContent(Command):
    stage: Stage
    actor: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePost(Command):
    """Change fields of the order, gates, their terms, models and texts together, or none of them.

    `fields` and `terms` name only what changes, so that two people who change different fields
    both do.
    """

    actor: str
    fields: Mapping[str, object] = field(default_factory=dict)
    gates: Mapping[Stage, GateMode] = field(default_factory=dict)
    models: Mapping[Stage, ModelSettings] = field(default_factory=dict)
    terms: Mapping[str, object] = field(default_factory=dict)
    texts: Mapping[Stage, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PausePipeline(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePipeline(Command):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPipeline(Command):
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePost(Command):
    """The ledger is computed by whoever deletes, from the call journal it has read."""

    spent: tuple[Spent, ...] = ()
    counted: tuple[CallName, ...] = ()
    open: tuple[CallName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkPost(Command):
    """Begin a post as a copy of `parent` at sequence `origin`; it starts when it is told to."""

    parent: UUID
    origin: int
    config: PostConfig
    gates: dict[Stage, GateMode] = field(default_factory=dict)
    models: dict[Stage, ModelSettings] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFailed(Command):
    """Take the post out of the dead letter and go on where it failed, or earlier.

    `change` is made first, in the same breath; of texts only those before the failed stage.
    """

    change: ChangePost | None = None
    rules: dict[Stage, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardFailed(Command):
    """Take the post out of the dead letter for good; it stands cancelled."""

    actor: str
    note: str = ""


# --- stages -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteStage(Command):
    stage: Stage
    run: int
    output: str
    metrics: Metrics
    sources: tuple[Source, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FailStage(Command):
    stage: Stage
    run: int
    code: str
    message: str
    traceback: str = ""
    raw: str = ""
    attempts: int = 1
    max_attempts: int = 1
    call: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferStage(Command):
    stage: Stage
    run: int
    until: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceedBudget(Command):
    stage: Stage
    run: int
    scope: str
    needed_usd: float
    left_usd: float
    cap_usd: float | None = None


# --- duties -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeStage(Command):
    """A deferred run is due, or a budget that stopped `run` has room again."""

    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireGate(Command):
    """The deadline of `review` has passed."""

    review: int


type StageCommand = CompleteStage | FailStage | DeferStage | ExceedBudget
type DutyCommand = WakeStage | ExpireGate
type PersonCommand = (
    CreatePost
    | ConfigurePost
    | StartPipeline
    | RunStage
    | RestartPost
    | ApproveStage
    | RejectStage
    | EditContent
    | ChangePost
    | PausePipeline
    | ResumePipeline
    | CancelPipeline
    | DeletePost
    | ForkPost
    | RetryFailed
    | DiscardFailed
)
type AnyCommand = PersonCommand | StageCommand | DutyCommand
