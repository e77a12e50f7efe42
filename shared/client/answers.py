"""What the gateway answers, as types for the checker: at run time every answer is plain JSON.

A gateway newer than this client may say more than is named here, and never less.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Page[T](TypedDict):
    """One page of a list; `total` counts what all `pages` hold."""

    items: list[T]
    total: int
    page: int
    per_page: int
    pages: int


class Review(TypedDict):
    """An open review; a decision names it by `seq`."""

    seq: int
    stage: str
    mode: str
    deadline: str | None
    outcome: str | None


class Failure(TypedDict):
    """Why a stage failed."""

    stage: str
    code: str
    message: str
    attempts: int
    at: str
    raw: str


class PostSummary(TypedDict):
    """A post without its texts. `seq` is the sequence of its last fact, `version` their number."""

    id: str
    seq: int
    version: int
    slug: str
    topic: str
    profile_id: str | None
    current_stage: str
    waits_for: str
    paused: bool
    stage_status: dict[str, str]
    stage_settings: dict[str, str]
    gate_deadline_s: int | None
    gate_outcome: Literal["approve", "cancel"]
    stale: list[str]
    review: Review | None
    failures: list[Failure]
    created_at: str | None
    updated_at: str | None
    completed_at: str | None


class PinnedModel(TypedDict):
    """What a stage of this post calls from its next run on."""

    provider: str
    model: str
    effort: str | None
    image_model: str | None


class StageLog(TypedDict):
    """What a stage's last completed run took."""

    model: str
    tokens_in: int
    tokens_out: int
    duration_s: float
    cost_usd: float


class Entry(TypedDict):
    """One line of the execution log."""

    seq: int
    ts: str
    stage: str
    level: Literal["info", "warning", "error"]
    event: str
    message: str
    data: dict[str, Any]


class EntryPage(TypedDict):
    """Lines of one post's log; `next` is the cursor of the next page, None on the last."""

    items: list[Entry]
    next: int | None


class LoggedEntry(Entry):
    """An entry and the post it is about."""

    post_id: str
    slug: str


class LogPage(TypedDict):
    """Entries of all posts; `next` is the cursor of the next page, None on the last. A page may be
    empty and not the last: one answer looks through a part of the log only."""

    items: list[LoggedEntry]
    next: int | None


class Unconfirmed(TypedDict):
    """An attempt that cost between nothing and `worst_case_usd`; `open` while it may answer."""

    stage: str
    run: int
    key: str
    attempt: int
    worst_case_usd: float
    open: bool


class BudgetWait(TypedDict):
    """The budget that has no room for the next call, and why, in words."""

    scope: str
    needed_usd: float
    left_usd: float
    cap_usd: float | None
    message: str


class Ledger(TypedDict):
    """What is settled, exactly, and what only the provider knows. The two are never added.

    `waits` says what budget the post waits for; None when it waits for none.
    """

    settled_usd: float
    unconfirmed: list[Unconfirmed]
    waits: BudgetWait | None


class Post(PostSummary):
    """A post, whole. A text is None until its stage has made it."""

    target_audience: str
    niche: str
    intent: str
    article_type: str
    additional_info: str
    word_count: int
    tone: str
    output_format: str
    website_url: str
    related_keywords: list[str]
    competitor_urls: list[str]
    image_style: str
    image_brand_colors: list[str]
    image_exclude: list[str]
    brand_voice: str
    avoid: str
    required_mentions: str
    budget_usd: float | None
    stage_models: dict[str, PinnedModel]
    stage_logs: dict[str, StageLog]
    warnings: dict[str, list[str]]
    ledger: Ledger
    execution_logs: list[Entry]
    research_content: str | None
    outline_content: str | None
    draft_content: str | None
    final_md_content: str | None
    image_manifest: dict[str, Any] | None
    ready_content: str | None


class Call(TypedDict):
    """One attempt of one paid call."""

    stage: str
    run: int
    key: str
    attempt: int
    provider: str
    model: str
    outcome: str
    worst_case_usd: float
    cost_usd: float
    tokens_in: int
    tokens_out: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    tokens_image: int
    duration_s: float | None
    code: str
    started_at: str | None
    ended_at: str | None
    started_seq: int | None
    ended_seq: int | None
    unconfirmed_usd: float


class Queued(TypedDict):
    """A run was asked for, or is under way already; `stage` is the one at work."""

    status: str
    post_id: str
    stage: str | None
    mode: str


class Controlled(TypedDict):
    """`status`: paused, resumed or cancelled."""

    status: str
    post_id: str


class Health(TypedDict):
    """That it answers, and which providers are simulated."""

    status: str
    simulated: list[str]
