"""What can happen to a post: one class per fact, past tense, immutable, stored once and never
edited.

Flow facts change what happens next. Call facts are the journal of paid calls, notice facts that of
what the outside was told. Log facts are for people. `VERSION` is the version of a fact's shape;
when a shape changes, the version is raised and `upcast` learns to read the old one. A class says
where its facts live: `EVENT` is the last word of their subject, `kind` the branch of the log they
stand in.
"""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.domain.values import (
    Blob,
    CommandRef,
    Deadline,
    GateMode,
    GateTerms,
    Level,
    Metrics,
    ModelSettings,
    NoticeEvent,
    PostConfig,
    Provider,
    Redo,
    Source,
    Stage,
    Usage,
    Value,
)


class Fact(BaseModel):
    """Something that happened to one post, at a time (UTC) read off the writer's clock."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    VERSION: ClassVar[int] = 1
    EVENT: ClassVar[str]

    post_id: UUID
    at: AwareDatetime


class FlowFact(Fact):
    """A fact that changes what happens next. The first fact of a person's command names it."""

    command: CommandRef | None = None


class StageFact(FlowFact):
    """A flow fact about one stage."""

    stage: Stage


# --- flow: the whole post ---------------------------------------------------------------------


class PostCreated(FlowFact):
    """A topic was handed in. `models` are the models its stages are pinned to."""

    VERSION = 2
    EVENT = "created"
    type: Literal["post-created"] = "post-created"
    config: PostConfig
    gates: dict[Stage, GateMode] = {}
    models: dict[Stage, ModelSettings] = {}
    gate_deadline_s: int | None = None
    gate_outcome: Literal["approve", "cancel"] = "cancel"


class PostConfigured(FlowFact):
    """The order was changed. None means unchanged; gates and models name only the changed
    stages. With new `terms`, `deadline` is that of the review that was open, if one was."""

    VERSION = 3
    EVENT = "configured"
    type: Literal["post-configured"] = "post-configured"
    config: PostConfig | None = None
    gates: dict[Stage, GateMode] = {}
    models: dict[Stage, ModelSettings] = {}
    terms: GateTerms | None = None
    deadline: Deadline | None = None


class PipelineStarted(FlowFact):
    """Somebody, or the creation itself, set the press in motion at `stage`.

    `rules` pins the versions of the stages' rules for all that follows; a stage not named uses the
    rules shipped with its service.
    """

    EVENT = "started"
    type: Literal["pipeline-started"] = "pipeline-started"
    stage: Stage
    alone: bool = False
    rules: dict[Stage, int] = {}


class PipelinePaused(FlowFact):
    EVENT = "paused"
    type: Literal["pipeline-paused"] = "pipeline-paused"


class PipelineResumed(FlowFact):
    EVENT = "resumed"
    type: Literal["pipeline-resumed"] = "pipeline-resumed"


class PipelineCancelled(FlowFact):
    EVENT = "cancelled"
    type: Literal["pipeline-cancelled"] = "pipeline-cancelled"
    reason: str = ""


class PipelineCompleted(FlowFact):
    EVENT = "completed"
    type: Literal["pipeline-completed"] = "pipeline-completed"


class PostRestarted(FlowFact):
    """Every output was set aside; the post begins again at research."""

    EVENT = "restarted"
    type: Literal["post-restarted"] = "post-restarted"


class PostForked(FlowFact):
    """This post began as a copy of `parent`, as it was at sequence `origin`."""

    EVENT = "forked"
    type: Literal["post-forked"] = "post-forked"
    parent: UUID
    origin: int


class Spent(Value):
    """One line of a closing ledger: what one stage paid one model on one day (UTC, YYYY-MM-DD)."""

    day: str
    stage: Stage
    model: str
    calls: int
    cost_usd: float


class CallName(Value):
    """Names one attempt of one paid call within a post."""

    stage: Stage
    run: int
    key: str
    attempt: int


class PostDeleted(FlowFact):
    """The post was deleted: what it had cost, and nothing of what it said.

    `counted` are the attempts this ledger includes; `open` those in flight, whose bill may follow.
    """

    EVENT = "deleted"
    type: Literal["post-deleted"] = "post-deleted"
    profile_id: UUID | None = None
    spent: tuple[Spent, ...] = ()
    counted: tuple[CallName, ...] = ()
    open: tuple[CallName, ...] = ()


# --- flow: one stage --------------------------------------------------------------------------


class StageRequested(StageFact):
    """A stage was asked to run; the sequence of this fact is the run.

    `alone`: nothing follows it by itself. `resumes`: the run it continues, whose settled calls are
    free. `rules`: the pinned version of the stage's rules, None for the shipped ones. `redo`: of
    the images stage, this picture alone.
    """

    VERSION = 2
    EVENT = "requested"
    type: Literal["stage-requested"] = "stage-requested"
    models: ModelSettings | None = None
    rules: int | None = None
    note: str = ""
    resumes: int | None = None
    alone: bool = False
    redo: Redo | None = None


class StageCompleted(StageFact):
    """The stage's output, whole. `digest` is the SHA-256 of the output's UTF-8 bytes, as hex."""

    EVENT = "completed"
    type: Literal["stage-completed"] = "stage-completed"
    run: int
    output: str
    digest: str
    words: int
    metrics: Metrics
    sources: tuple[Source, ...] = ()
    warnings: tuple[str, ...] = ()


class StageFailed(StageFact):
    """The run ended without output. `call` is the paid call that failed for good, if one did.

    `code` is the failure's short stable name, `attempts` how often the call was tried, `parked`
    that the post waits in the dead letter for a person.
    """

    EVENT = "failed"
    type: Literal["stage-failed"] = "stage-failed"
    run: int
    code: str
    message: str
    traceback: str = ""
    raw: str = ""
    attempts: int = 1
    max_attempts: int = 1
    call: str | None = None
    parked: bool = True


class StageDeferred(StageFact):
    """The run gave up its worker until `until`, because a provider asked for a long wait."""

    EVENT = "deferred"
    type: Literal["stage-deferred"] = "stage-deferred"
    run: int
    until: AwareDatetime
    reason: str = ""


class ReviewRequested(StageFact):
    """The stage's output waits for a person; the sequence of this fact names the review."""

    EVENT = "review"
    type: Literal["review-requested"] = "review-requested"
    run: int
    mode: GateMode
    deadline: Deadline | None = None


class GateExpired(StageFact):
    EVENT = "expired"
    type: Literal["gate-expired"] = "gate-expired"
    review: int
    outcome: Literal["approve", "cancel"]


class StageApproved(StageFact):
    """A person accepted the output, perhaps after changing it: then `edited` is the new output."""

    EVENT = "approved"
    type: Literal["stage-approved"] = "stage-approved"
    review: int
    actor: str
    note: str = ""
    edited: str | None = None
    digest: str | None = None
    words: int | None = None


class StageRejected(StageFact):
    EVENT = "rejected"
    type: Literal["stage-rejected"] = "stage-rejected"
    review: int
    actor: str
    note: str = ""


class ContentEdited(StageFact):
    """A person replaced a stage's output; both versions stay in the log."""

    EVENT = "edited"
    type: Literal["content-edited"] = "content-edited"
    actor: str
    output: str
    digest: str
    words: int


class StageDiscarded(StageFact):
    """A person gave up what had failed: the post leaves the dead letter and stands cancelled.

    `run` is the run that failed; what it has paid for stays free for whoever runs it again.
    """

    EVENT = "discarded"
    type: Literal["stage-discarded"] = "stage-discarded"
    run: int
    actor: str
    note: str = ""


class BudgetExceeded(StageFact):
    """The next call did not fit a budget; the post waits until there is room for it.

    `scope` says whose budget it is (day, profile or post), `cap_usd` how large it was then. Nobody
    asks again before `until`: each time in a row that it was for nothing, a little later.
    """

    VERSION = 2
    EVENT = "budget"
    type: Literal["budget-exceeded"] = "budget-exceeded"
    run: int
    scope: str
    needed_usd: float
    left_usd: float
    cap_usd: float | None = None
    until: AwareDatetime | None = None


# --- calls: the journal of what is paid -------------------------------------------------------


class CallFact(Fact):
    """A fact about one attempt of one paid call. `token` is drawn for each claim."""

    stage: Stage
    run: int
    key: str
    attempt: int
    token: str

    @property
    def name(self) -> CallName:
        return CallName(stage=self.stage, run=self.run, key=self.key, attempt=self.attempt)


class CallStarted(CallFact):
    """The intent to pay, written before anything is sent. Prices are upper bounds in US dollars.

    `scopes` names the budgets that held the worst case back in the very batch of this claim.
    """

    VERSION = 2
    EVENT = "started"
    type: Literal["call-started"] = "call-started"
    provider: Provider
    model: str
    request: str
    worst_case_usd: float
    scopes: tuple[str, ...] = ()


class CallSettled(CallFact):
    """A paid answer, written before anything is done with it.

    `text` is None when the post was deleted meanwhile: then only the bill is kept.
    """

    EVENT = "ended"
    type: Literal["call-settled"] = "call-settled"
    provider: Provider
    request: str
    text: str | None
    sources: tuple[Source, ...] = ()
    blobs: tuple[Blob, ...] = ()
    usage: Usage
    cost_usd: float
    prices: str
    duration_s: float
    request_id: str = ""


class CallFailed(CallFact):
    """An attempt that gave no usable answer; what it cost all the same stands in `cost_usd`.

    Up to `unconfirmed_usd` may have been charged for an answer that broke off before the provider's
    last figures: then `usage` is what was known by then, and `cost_usd` 0. `wait_s` is how long to
    wait before the next attempt, None when there is none. Not `counted` among the tries is what
    everybody meets who asks this provider now.
    """

    VERSION = 2
    EVENT = "ended"
    type: Literal["call-failed"] = "call-failed"
    provider: Provider
    code: str
    message: str
    status: int | None = None
    transient: bool
    max_attempts: int
    tries: int
    wait_s: float | None = None
    counted: bool = True
    usage: Usage | None = None
    cost_usd: float = 0.0
    unconfirmed_usd: float = 0.0
    prices: str = ""
    raw: str = ""
    request_id: str = ""


class CallAbandoned(CallFact):
    """Nobody knows how this attempt ended; between `0` and the worst case may have been paid."""

    EVENT = "ended"
    type: Literal["call-abandoned"] = "call-abandoned"
    reason: Literal["ambiguous after crash", "cancelled", "drained", "superseded"]
    worst_case_usd: float


class CallSettledLate(CallFact):
    """An abandoned attempt was answered after all: the bill counts, the answer is never used."""

    EVENT = "late"
    type: Literal["call-settled-late"] = "call-settled-late"
    provider: Provider
    usage: Usage | None
    cost_usd: float
    prices: str
    request_id: str = ""


class CallReused(CallFact):
    """A fork stands on an answer that its parent paid for; it costs nothing here."""

    EVENT = "ended"
    type: Literal["call-reused"] = "call-reused"
    provider: Provider
    request: str
    text: str
    sources: tuple[Source, ...] = ()
    blobs: tuple[Blob, ...] = ()
    parent: UUID
    origin: int


# --- notices: what the outside is told ----------------------------------------------------------


class NoticeFact(Fact):
    """A fact about one attempt to tell the outside of the fact at sequence `told`."""

    told: int
    attempt: int
    event: NoticeEvent


class NoticeStarted(NoticeFact):
    """The intent to send, written before anything is sent: of many replicas one sends."""

    EVENT = "started"
    type: Literal["notice-started"] = "notice-started"


class NoticeSkipped(NoticeFact):
    """The attempt was claimed in order not to be made: nobody had asked for this event then."""

    EVENT = "started"
    type: Literal["notice-skipped"] = "notice-skipped"
    reason: Literal["no_webhook", "no_secret", "not_wanted"]


class NoticeDelivered(NoticeFact):
    """The receiver said yes, with this HTTP status."""

    EVENT = "ended"
    type: Literal["notice-delivered"] = "notice-delivered"
    status: int


class NoticeFailed(NoticeFact):
    """The receiver did not say yes, or nobody knows. `due` is when it is tried again, None when it
    is given up."""

    EVENT = "ended"
    type: Literal["notice-failed"] = "notice-failed"
    code: str
    status: int | None = None
    due: AwareDatetime | None = None


# --- log: lines for people --------------------------------------------------------------------


class StageStarted(Fact):
    """A worker took the run in hand, for the `delivery`-th time."""

    EVENT = "started"
    type: Literal["stage-started"] = "stage-started"
    stage: Stage
    run: int
    delivery: int
    worker: str
    rules: str = ""


class Progressed(Fact):
    """A progress line. Lines of level "debug" are kept, but not shown to people."""

    EVENT = "progressed"
    type: Literal["progressed"] = "progressed"
    stage: Stage
    run: int
    level: Level = "info"
    kind: Literal["log", "image_generated", "image_failed"] = "log"
    message: str
    data: dict[str, str | int | float | bool | None] = {}


type AnyFlow = (
    PostCreated
    | PostConfigured
    | PipelineStarted
    | PipelinePaused
    | PipelineResumed
    | PipelineCancelled
    | PipelineCompleted
    | PostRestarted
    | PostForked
    | PostDeleted
    | StageRequested
    | StageCompleted
    | StageFailed
    | StageDeferred
    | ReviewRequested
    | GateExpired
    | StageApproved
    | StageRejected
    | ContentEdited
    | BudgetExceeded
    | StageDiscarded
)
type AnyEnd = CallSettled | CallFailed | CallAbandoned | CallReused
type AnyCall = CallStarted | AnyEnd | CallSettledLate | StageStarted
type AnyNotice = NoticeStarted | NoticeSkipped | NoticeDelivered | NoticeFailed
type PostEvent = AnyFlow | AnyCall | AnyNotice | Progressed


def _classes(base: type[Fact]) -> list[type[Fact]]:
    below = [known for sub in base.__subclasses__() for known in _classes(sub)]
    return below or [base]


FACTS: dict[str, type[Fact]] = {
    str(fact.model_fields["type"].default): fact for fact in _classes(Fact)
}
"""Every fact by the value of its `type`."""


class Recorded(NamedTuple):
    """A fact and its sequence in the log."""

    seq: int
    fact: PostEvent
