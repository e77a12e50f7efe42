"""What the gateway answers about the whole press and its documents, as types for the checker."""

from __future__ import annotations

from typing import Any, TypedDict


class QueueCounts(TypedDict):
    """How many posts stand in each bucket, as of `seq`; each stands in exactly one."""

    seq: int
    pending: int
    running: int
    review: int
    waiting: int
    paused: int
    failed: int
    complete: int
    cancelled: int
    total: int


class DeadLetter(TypedDict):
    """A post that failed for good: where, why, and after how many attempts."""

    post_id: str
    version: int
    slug: str
    topic: str
    profile_id: str | None
    stage: str
    code: str
    error: str
    attempts: int
    failed_at: str
    run: int | None


class DeadLetters(TypedDict):
    """One page of the dead letter; `count` is of all pages."""

    entries: list[DeadLetter]
    count: int
    page: int
    per_page: int
    pages: int


class Retried(TypedDict):
    """The post is at work again, at `stage`."""

    status: str
    post_id: str
    stage: str | None


class Discarded(TypedDict):
    status: str
    post_id: str


class Unchanged(TypedDict):
    """A post that could not be changed, and why."""

    post_id: str
    why: str


class Tally(TypedDict):
    """How many posts were changed (`status`: paused, resumed or cleared); `failed` could not be,
    and are by the next request. `failures` names the first of these."""

    status: str
    count: int
    failed: int
    failures: list[Unchanged]


class ServiceStatus(TypedDict):
    """One service; what is not known is None, never 0."""

    service: str
    alive: bool
    instances: int
    versions: list[str]
    active: int | None
    slots: int | None
    queued: int | None
    in_flight: int | None
    oldest_waiting_s: float | None
    last_completed_at: str | None


class WorkerStatus(TypedDict):
    """`worker_alive`: every stage has a process that was heard within the last seconds."""

    worker_alive: bool
    active_jobs: int | None
    queued_jobs: int | None
    last_completed: str | None
    services: list[ServiceStatus]


class Cost(TypedDict):
    """What some calls took. Settled was billed; of `unconfirmed` ones up to that much more."""

    calls: int
    posts: int
    tokens_in: int
    tokens_out: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    tokens_image: int
    settled_usd: float
    images_usd: float
    unconfirmed: int
    unconfirmed_usd: float


class GroupCost(Cost):
    """`key` is the stage, model, profile or day; None: calls of posts without a profile."""

    key: str | None


class Costs(TypedDict):
    """The sums from `since` until `until`, and those of each group."""

    since: str
    until: str
    group: str
    total: Cost
    avg_usd_per_post: float | None
    groups: list[GroupCost]


class Budget(TypedDict):
    """A budget as it stands; without a cap there is none, and nothing is counted."""

    scope: str
    id: str
    period: str
    cap_usd: float | None
    spent_usd: float
    reserved_usd: float
    unconfirmed_usd: float
    left_usd: float | None
    calls_under_way: int


class Budgets(TypedDict):
    """The day's budget, those of profiles, and one page of those of posts."""

    day: Budget
    post_usd: float | None
    profiles: list[Budget]
    posts: list[Budget]
    total: int
    page: int
    per_page: int
    pages: int


class Profile(TypedDict):
    """What the posts of one site have in common."""

    id: str
    version: int
    name: str
    website_url: str
    niche: str
    target_audience: str
    tone: str
    brand_voice: str
    word_count: int
    output_format: str
    image_style: str
    image_brand_colors: list[str]
    image_exclude: list[str]
    avoid: str
    required_mentions: str
    related_keywords: list[str]
    default_stage_settings: dict[str, str]
    budget_usd: float | None
    created_at: str
    updated_at: str


class Setting(TypedDict):
    """A setting in force; `version` is that of all settings, 0 when none was ever changed."""

    key: str
    value: Any
    version: int
    updated_at: str | None


class StageModel(TypedDict):
    """What a stage of a new post will call, and what it may be set to."""

    stage: str
    provider: str
    model: str
    model_source: str
    effort: str | None
    effort_source: str
    image_model: str | None
    image_model_source: str
    models: list[str]
    efforts: list[str]
    image_models: list[str]


class StageModels(TypedDict):
    stages: list[StageModel]


class RulesSummary(TypedDict):
    """The rules in force for a stage; `version` is 0 until somebody has changed them."""

    stage: str
    source: str
    version: int
    size: int
    updated_at: str | None


class RulesUnreadable(TypedDict):
    """What was stored above the version in force and cannot be read; `why`: damaged, or newer (than
    the gateway)."""

    version: int
    why: str


class RulesListed(RulesSummary):
    """The rules in force, and what stands above them unread, if anything."""

    unreadable: RulesUnreadable | None


class Rules(RulesSummary):
    content: str


class RulesVersion(TypedDict):
    """One change: an edit, or the return to the shipped rules. Of what cannot be read only its
    place is known, and when it was stored."""

    version: int
    source: str
    actor: str
    at: str | None
    size: int


class RulesHistory(TypedDict):
    """Some versions; `next` is the cursor of the next page, None on the last."""

    items: list[RulesVersion]
    next: int | None


class RulesDiff(TypedDict):
    """A unified diff; empty when the two sides are the same."""

    stage: str
    from_version: str
    to_version: str
    diff: str


class SeoChecklist(TypedDict):
    """Seven checks and two counts; None where no keyword was named to look for."""

    keyword_in_title: bool | None
    keyword_in_first_100_words: bool | None
    keyword_in_h2: bool | None
    has_h2_headings: bool
    has_internal_links: bool
    has_external_links: bool
    has_meta_description: bool
    internal_link_count: int
    external_link_count: int


class Analytics(TypedDict):
    """The newest text of the article, made by `stage`, in figures."""

    post_id: str
    seq: int
    stage: str
    title: str
    word_count: int
    sentence_count: int
    paragraph_count: int
    avg_sentence_length: float
    flesch_reading_ease: float | None
    keyword_density: dict[str, float]
    seo_checklist: SeoChecklist
