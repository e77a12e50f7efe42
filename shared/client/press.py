"""The press as a whole: what waits and for whom, who works, what it cost, and every post's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

from shared.client.answers import Health, LoggedEntry, LogPage, PostSummary
from shared.client.reports import (
    Budgets,
    Costs,
    DeadLetter,
    DeadLetters,
    Discarded,
    QueueCounts,
    Retried,
    Tally,
    WorkerStatus,
)
from shared.client.requests import MOST, Requests, given

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

DEAD = "/api/queue/dead-letter"


class CostFilter(TypedDict, total=False):
    """Which calls: of the last `days` days (UTC, today included; 30 unless told)."""

    days: int | None
    profile_id: str | None
    model: str | None
    stage: str | None


class LogFilter(TypedDict, total=False):
    """Which entries: `q` in the message; instants are ISO 8601 with an offset."""

    level: Sequence[str]
    stage: str | None
    since: str | None
    until: str | None
    profile_id: str | None
    q: str | None
    order: str | None


class Press(Requests):
    """The part of the client that is about all posts together."""

    async def queue(self, *, min_seq: int | None = None) -> QueueCounts:
        """How many posts are where: disjoint counts and their `total`."""
        return await self._one(QueueCounts, "/api/queue", {"min_seq": min_seq})

    async def workers(self) -> WorkerStatus:
        """Who is alive, what is in hand and what waits, service by service."""
        return await self._one(WorkerStatus, "/api/queue/worker-status")

    def reviews(self) -> AsyncGenerator[PostSummary]:
        """Posts that wait for a person, the longest waiting first, page by page."""
        return self._each(PostSummary, "/api/queue/review", {})

    async def dead_letters(self) -> AsyncGenerator[DeadLetter]:
        """Posts that failed and were not given up, the newest first, page by page.

        Whoever retries them while reading passes some over: begin again until none is left.
        """
        page, seen = 1, set[str]()
        while True:
            told = await self._one(DeadLetters, DEAD, {"page": page, "per_page": MOST})
            for each in told["entries"]:
                if each["post_id"] not in seen:
                    seen.add(each["post_id"])
                    yield each
            if page >= told["pages"]:
                return
            page += 1

    async def retry_dead(self, post_id: str, *, idempotency_key: str | None = None) -> Retried:
        """Go on where it failed, with the whole run; what was paid for is not paid again.

        Raises `StateConflict` when the post is not in the dead letter.
        """
        path = f"{DEAD}/{post_id}/retry"
        return await self._changed(Retried, "POST", path, key=idempotency_key)

    async def discard_dead(
        self,
        post_id: str,
        *,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Discarded:
        """Give it up: the post stands cancelled. Raises `StateConflict` as `retry_dead` does."""
        path, body = f"{DEAD}/{post_id}/discard", given({"note": note})
        return await self._changed(Discarded, "POST", path, body=body, key=idempotency_key)

    async def discard_all_dead(
        self, *, note: str = "", idempotency_key: str | None = None
    ) -> Tally:
        """Give up everything that is in the dead letter now."""
        asked = {"note": note}
        return await self._changed(Tally, "DELETE", DEAD, asked=asked, key=idempotency_key)

    async def pause_all(self, *, idempotency_key: str | None = None) -> Tally:
        """Pause every post that would go on by itself, each at the end of its stage."""
        return await self._changed(Tally, "POST", "/api/queue/pause-all", key=idempotency_key)

    async def resume_all(self, *, idempotency_key: str | None = None) -> Tally:
        """Resume every paused post."""
        return await self._changed(Tally, "POST", "/api/queue/resume-all", key=idempotency_key)

    async def costs(self, group: str = "stage", **filters: Unpack[CostFilter]) -> Costs:
        """What was paid, by `group`: stage, model, profile or day. Each with the tokens read from
        and written to caches (`cache_read`, `cache_write`, `cache_write_1h`) and `images_usd`."""
        return await self._one(Costs, "/api/costs", {**filters, "group": group})

    async def budgets(self, page: int = 1, per_page: int = 50) -> Budgets:
        """Every budget as it stands: the day's, those of profiles, and one page of those of
        posts."""
        return await self._one(Budgets, "/api/budgets", {"page": page, "per_page": per_page})

    async def each_log(self, **filters: Unpack[LogFilter]) -> AsyncGenerator[LoggedEntry]:
        """The entries of every post's log, page by page, newest first unless asked otherwise."""
        cursor: int | None = None
        while True:
            page = await self._one(LogPage, "/api/logs", {**filters, "cursor": cursor})
            for each in page["items"]:
                yield each
            cursor = page["next"]
            if cursor is None:
                return

    async def health(self) -> Health:
        """That it answers, and which providers are simulated."""
        return await self._one(Health, "/health")
