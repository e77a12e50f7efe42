"""What the gateway answers, field by field: the contract's names, derived from the fold."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from shared.domain.post import Status
from shared.domain.values import GateMode, Level, PostConfig, Stage


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class StageLog(Answer):
    """What a stage's last completed run took."""

    model: str
    tokens_in: int
    tokens_out: int
    duration_s: float
    cost_usd: float


class ReviewRead(Answer):
    """The open review; a decision names it by `seq`."""

    seq: int
    stage: Stage
    mode: GateMode
    deadline: datetime | None = None
    outcome: Literal["approve", "cancel"] | None = None


class FailureRead(Answer):
    stage: Stage
    code: str
    message: str
    attempts: int
    at: datetime
    raw: str = ""


class EntryRead(Answer):
    """One line of the execution log."""

    seq: int
    ts: datetime
    stage: str
    level: Level
    event: str
    message: str
    data: dict[str, Any]


class EntryPage(Answer):
    """Lines of the execution log, and the `cursor` of the next page; null when there is none."""

    items: list[EntryRead]
    next: int | None


class CallRead(Answer):
    """One attempt of one paid call. Of a failed one up to `unconfirmed_usd` may have been charged
    beyond `cost_usd`."""

    stage: Stage
    run: int
    key: str
    attempt: int
    provider: str = ""
    model: str = ""
    outcome: Literal["started", "settled", "failed", "abandoned", "late", "reused"] = "started"
    worst_case_usd: float = 0.0
    cost_usd: float = 0.0
    tokens_in: int = 0
    tokens_out: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    tokens_image: int = 0
    duration_s: float | None = None
    code: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    started_seq: int | None = None
    ended_seq: int | None = None
    unconfirmed_usd: float = 0.0


class UnconfirmedRead(Answer):
    """An attempt that cost between nothing and `worst_case_usd`; `open` while it may answer."""

    stage: Stage
    run: int
    key: str
    attempt: int
    worst_case_usd: float
    open: bool


class BudgetWait(Answer):
    """The budget that has no room for the next call: what that may cost at most, what is left of
    what, and the same in words."""

    scope: str
    needed_usd: float
    left_usd: float
    cap_usd: float | None
    message: str


class LedgerRead(Answer):
    """What is settled, exactly, and what only the provider knows. The two are never added.

    `waits` says which budget the post waits for, and null that it waits for none.
    """

    settled_usd: float
    unconfirmed: list[UnconfirmedRead]
    waits: BudgetWait | None = None


class ModelRead(Answer):
    """What a stage of this post calls from its next run on."""

    provider: str
    model: str
    effort: Literal["low", "medium", "high"] | None
    image_model: str | None


class PostSummary(Answer):
    """A post without its texts. `seq` is the sequence of its last fact, `version` their number."""

    id: UUID
    seq: int
    version: int
    slug: str
    topic: str
    profile_id: UUID | None
    current_stage: str
    waits_for: str
    paused: bool
    stage_status: dict[Stage, Status]
    stage_settings: dict[Stage, GateMode]
    gate_deadline_s: int | None
    gate_outcome: Literal["approve", "cancel"]
    stale: list[Stage]
    review: ReviewRead | None
    failures: list[FailureRead]
    created_at: datetime | None
    updated_at: datetime | None
    completed_at: datetime | None


class PostState(PostSummary):
    """A post with everything that happened to it, still without its texts."""

    stage_models: dict[Stage, ModelRead]
    stage_logs: dict[Stage, StageLog]
    warnings: dict[Stage, list[str]]
    ledger: LedgerRead
    execution_logs: list[EntryRead]


class PostRead(PostState, PostConfig):
    """A post, whole. A text is null until its stage has made it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile_id: UUID | None = None
    research_content: str | None = None
    outline_content: str | None = None
    draft_content: str | None = None
    final_md_content: str | None = None
    image_manifest: dict[str, Any] | None = None
    ready_content: str | None = None


class PostPart(Answer):
    """The fields of a post that were asked for by name, and always its id."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: UUID


class PostPage(Answer):
    """`pages` is how many pages there are of all `total` posts."""

    items: list[PostSummary] | list[PostPart]
    total: int
    page: int
    per_page: int
    pages: int


class Queued(Answer):
    """A run was asked for (or is under way already)."""

    status: Literal["queued"] = "queued"
    post_id: UUID
    stage: Stage | None = None
    mode: Literal["run", "run-all", "rerun", "restart"]


class Controlled(Answer):
    status: Literal["paused", "resumed", "cancelled"]
    post_id: UUID


class FieldProblem(Answer):
    """Where a request is wrong, and how."""

    field: str
    problem: str


class RowProblem(FieldProblem):
    """Which row of a batch is wrong, counted from 1, and how."""

    row: int


class Problem(Answer):
    """RFC 9457: what went wrong, the same shape everywhere."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    id: str | None = None
    errors: list[FieldProblem] | None = None
    rows: list[RowProblem] | None = None
    current_stage: str | None = None
    review: ReviewRead | None = None
    seq: int | None = None
    version: int | None = None
