"""The control state of a post: what `evolve` makes of its flow facts, and nothing besides.

The state is small (outputs stand in it as sequence, digest and word count), so that services, read
model and debugger can all hold it; the texts themselves are in `outputs`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003  (the read model's codec reads the annotations)
from typing import Literal
from uuid import UUID  # noqa: TC003

from shared.domain.values import (
    ORDER,
    Deadline,
    GateMode,
    GateTerms,
    Metrics,
    ModelSettings,
    PostConfig,
    Redo,
    Stage,
)

type Status = Literal["pending", "running", "waiting", "review", "complete", "failed"]
type Ending = Literal[
    "completed", "failed", "deferred", "budget", "cancelled", "superseded", "rejected"
]


@dataclass(frozen=True, slots=True)
class Output:
    """Which fact holds a stage's present output: its sequence, the text's SHA-256 and word
    count."""

    seq: int
    digest: str
    words: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a stage failed, for people."""

    code: str
    message: str
    attempts: int
    at: datetime
    raw: str = ""


@dataclass(frozen=True)
class StageState:
    """One stage: `run` is the sequence of its last request, `ended` how that run ended, `refused`
    how often in a row a budget had no room for it."""

    status: Status = "pending"
    output: Output | None = None
    stale: bool = False
    run: int | None = None
    resumes: int | None = None
    alone: bool = False
    redo: Redo | None = None
    note: str = ""
    ended: Ending | None = None
    since: datetime | None = None
    metrics: Metrics | None = None
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Active:
    """The one open StageRequested: its sequence is the run."""

    run: int
    stage: Stage


@dataclass(frozen=True, slots=True)
class Review:
    """The one open review, named by the sequence of its ReviewRequested. `opened` is None only in
    a state that was kept before it was told."""

    seq: int
    stage: Stage
    mode: GateMode
    deadline: Deadline | None = None
    opened: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A run that gave up its worker until a time, or until a budget (`scope`) has room for its next
    call. Then nobody looks before `until`."""

    run: int
    stage: Stage
    until: datetime | None = None
    scope: str | None = None
    needed_usd: float = 0.0
    left_usd: float = 0.0
    cap_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """What follows at the next boundary. No stage means: the pipeline is complete."""

    stage: Stage | None
    alone: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A command that was decided: the digest of its content and where its facts stand."""

    digest: str
    first: int
    facts: int


def _fresh() -> dict[Stage, StageState]:
    return dict.fromkeys(ORDER, StageState())


@dataclass(frozen=True)
class Post:
    """The control state of one post. `n` counts its flow facts, `last` is the last one's
    sequence."""

    id: UUID | None = None
    n: int = 0
    last: int = 0
    config: PostConfig | None = None
    gates: dict[Stage, GateMode] = field(default_factory=dict)
    models: dict[Stage, ModelSettings] = field(default_factory=dict)
    rules: dict[Stage, int] = field(default_factory=dict)
    gate_deadline_s: int | None = None
    gate_outcome: Literal["approve", "cancel"] = "cancel"
    stages: dict[Stage, StageState] = field(default_factory=_fresh)
    active: Active | None = None
    review: Review | None = None
    held: Held | None = None
    next: Next | None = None
    paused: bool = False
    cancelled: bool = False
    deleted: bool = False
    parent: UUID | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    completed_at: datetime | None = None
    commands: dict[UUID, Answered] = field(default_factory=dict)

    def gate(self, stage: Stage) -> GateMode:
        """The gate after a stage; one that was not named is auto."""
        return self.gates.get(stage, GateMode.AUTO)

    @property
    def terms(self) -> GateTerms:
        """How long each of its reviews waits, and for what end."""
        return GateTerms(deadline_s=self.gate_deadline_s, outcome=self.gate_outcome)

    def done(self, stage: Stage) -> bool:
        """The stage has an output that nothing has overtaken."""
        state = self.stages[stage]
        return state.status == "complete" and not state.stale
