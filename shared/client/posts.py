"""Posts: handed in, read, changed, told what to do, and watched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack, cast

from shared.client.answers import (
    Call,
    Controlled,
    Entry,
    EntryPage,
    Page,
    Post,
    PostSummary,
    Queued,
)
from shared.client.reports import Analytics
from shared.client.requests import Requests, expecting, given

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from shared.client.connection import Event

BATCH = "/api/posts/batch"


class PostFilter(TypedDict, total=False):
    """Which posts: `status` as `galley list` knows it, `q` words of topic or slug; instants are
    ISO 8601 with an offset. `sort` and `order` as in the API's description."""

    status: str | None
    stage: str | None
    profile_id: str | None
    q: str | None
    created_since: str | None
    created_until: str | None
    sort: str | None
    order: str | None


class Posts(Requests):
    """The part of the client that is about posts."""

    async def create(
        self,
        topic: str,
        *,
        gates: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> Post:
        """Create a post; it starts by itself unless all six gates are closed.

        `fields` are the further fields of a post, as in the API's description. The same
        `idempotency_key` always gives the same post. Raises `InvalidRequest` naming the fields,
        `NotFound` for an unknown profile, `StateConflict` for a slug that is taken.
        """
        body = {"topic": topic, "stage_settings": dict(gates or {}), **(fields or {})}
        return await self._changed(Post, "POST", "/api/posts", body=body, key=idempotency_key)

    async def batch(
        self, posts: Sequence[Mapping[str, object]], *, idempotency_key: str | None = None
    ) -> list[PostSummary]:
        """Create up to 1,000 posts, all or none. Raises `InvalidRequest` naming the rows."""
        rows = [dict(post) for post in posts]
        answer = await self._change("POST", BATCH, rows, key=idempotency_key)
        return self._connection.many(answer)

    async def batch_file(
        self, data: bytes, media_type: str, *, idempotency_key: str | None = None
    ) -> list[PostSummary]:
        """The same from a file as it is: `text/csv` or `application/json`."""
        answer = await self._change("POST", BATCH, key=idempotency_key, file=(media_type, data))
        return self._connection.many(answer)

    async def post(self, post_id: str, *, min_seq: int | None = None) -> Post:
        """The whole post; with `min_seq`, not older than that sequence. Raises `NotFound`."""
        return await self._one(Post, f"/api/posts/{post_id}", {"min_seq": min_seq})

    async def posts(
        self,
        *,
        page: int | None = None,
        per_page: int | None = None,
        **filters: Unpack[PostFilter],
    ) -> Page[PostSummary]:
        """One page of posts without their texts, newest first unless asked otherwise."""
        asked = {**filters, "page": page, "per_page": per_page}
        return await self._one(Page[PostSummary], "/api/posts", asked)

    def each_post(self, **filters: Unpack[PostFilter]) -> AsyncGenerator[PostSummary]:
        """Every post, page by page, oldest first unless asked otherwise, and each of them once.

        What is created meanwhile comes at the end; when one leaves the list meanwhile (deleted, or
        its status changed), another may be passed over.
        """
        return self._each(PostSummary, "/api/posts", {"order": "asc", **filters})

    async def change(self, post_id: str, *, version: int | None = None, **fields: object) -> Post:
        """Change fields, gates (`stage_settings`, `gate_deadline_s`, `gate_outcome`), models
        (`stage_models`) or texts; None takes a field back to its default.

        Sent without a key, so that what is saved while somebody types is merged: it sets values,
        and sending it again is harmless. Raises `StateConflict` when `version` is not the newest.
        """
        path, headers = f"/api/posts/{post_id}", expecting(version)
        answer = await self._connection.send("PATCH", path, json=fields, headers=headers)
        return cast("Post", self._connection.one(answer))

    async def delete(self, post_id: str, *, version: int | None = None) -> None:
        """Delete a post and everything it said; what it has cost stays on the books."""
        await self._change("DELETE", f"/api/posts/{post_id}", version=version)

    async def duplicate(self, post_id: str, *, idempotency_key: str | None = None) -> Post:
        """A new post ordered alike, not started."""
        path = f"/api/posts/{post_id}/duplicate"
        return await self._changed(Post, "POST", path, key=idempotency_key)

    async def approve(
        self,
        post_id: str,
        review: int,
        *,
        content: str | None = None,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Post:
        """Accept the review with this `seq`, with `content` in place of the stage's if given.

        Raises `StateConflict` when another review is open by now, or none.
        """
        body = given({"review": review, "content": content, "note": note})
        return await self._decide(post_id, "approve", body, idempotency_key)

    async def reject(
        self,
        post_id: str,
        review: int,
        note: str,
        *,
        idempotency_key: str | None = None,
    ) -> Post:
        """Refuse the review with this `seq`; the stage runs again and is told the note."""
        body = given({"review": review, "note": note})
        return await self._decide(post_id, "reject", body, idempotency_key)

    async def _decide(
        self, post_id: str, action: str, body: dict[str, Any], key: str | None
    ) -> Post:
        path = f"/api/posts/{post_id}/{action}"
        return await self._changed(Post, "POST", path, body=body, key=key)

    async def run(self, post_id: str, stage: str | None = None, **how: Unpack[How]) -> Queued:
        """Run every unfinished stage in order, or `stage` alone."""
        return await self._control(Queued, post_id, "run", {"stage": stage}, **how)

    async def run_all(self, post_id: str, **how: Unpack[How]) -> Queued:
        """Open the gates of all unfinished stages and run them."""
        return await self._control(Queued, post_id, "run-all", **how)

    async def rerun(
        self, post_id: str, stage: str, *, cascade: bool = False, **how: Unpack[How]
    ) -> Queued:
        """Run a stage again; with `cascade`, what follows it as well."""
        asked = {"cascade": cascade or None}
        return await self._control(Queued, post_id, f"rerun/{stage}", asked, **how)

    async def restart(self, post_id: str, **how: Unpack[How]) -> Queued:
        """Set every text aside and begin again at research."""
        return await self._control(Queued, post_id, "restart", **how)

    async def pause(self, post_id: str, **how: Unpack[How]) -> Controlled:
        """Stop at the end of the stage that is running."""
        return await self._control(Controlled, post_id, "pause", **how)

    async def resume(self, post_id: str, **how: Unpack[How]) -> Controlled:
        """Go on after a pause."""
        return await self._control(Controlled, post_id, "resume", **how)

    async def cancel(self, post_id: str, **how: Unpack[How]) -> Controlled:
        """Stop now: a running stage is ended, a later run continues it."""
        return await self._control(Controlled, post_id, "cancel", **how)

    async def _control[T](
        self,
        shape: type[T],
        post_id: str,
        action: str,
        asked: Mapping[str, object] | None = None,
        **how: Unpack[How],
    ) -> T:
        key, version = how.get("idempotency_key"), how.get("version")
        path = f"/api/posts/{post_id}/{action}"
        return await self._changed(shape, "POST", path, asked=asked, key=key, version=version)

    async def logs(
        self,
        post_id: str,
        *,
        level: Sequence[str] = (),
        stage: str | None = None,
        min_seq: int | None = None,
    ) -> list[Entry]:
        """The execution log, oldest first: the whole of it, page by page; `min_seq` as for
        `post`."""
        found: list[Entry] = []
        path = f"/api/posts/{post_id}/logs"
        asked = {"level": list(level), "stage": stage, "min_seq": min_seq}
        cursor: int | None = None
        while True:
            page = await self._one(EntryPage, path, {**asked, "cursor": cursor})
            found += page["items"]
            if (cursor := page["next"]) is None:
                return found

    async def calls(self, post_id: str, *, min_seq: int | None = None) -> list[Call]:
        """Every attempt of every paid call, and what it cost; `min_seq` as for `post`."""
        return await self._many(Call, f"/api/posts/{post_id}/calls", {"min_seq": min_seq})

    async def analytics(self, post_id: str, *, min_seq: int | None = None) -> Analytics:
        """The article in figures; `min_seq` as for `post`. Raises `NotFound` until a draft is
        written."""
        path = f"/api/posts/{post_id}/analytics"
        return await self._one(Analytics, path, {"min_seq": min_seq})

    async def export(self, post_id: str, form: str = "all") -> bytes:
        """`form`: all (a ZIP), markdown, html or wordpress."""
        return (await self._read(f"/api/posts/{post_id}/export/{form}")).content

    def follow(self, post_id: str, last_event_id: str | None = "0") -> AsyncGenerator[Event]:
        """The post's events after `last_event_id`, live, until closed.

        "0" begins at the very beginning, None with a `snapshot` of the post as it is now. A broken
        stream is taken up where it stopped. `reset` says that the log is another one than before:
        forget everything, a `snapshot` follows. Raises `NotFound`, `GatewayAway`.
        """
        return self._connection.follow(f"/api/events/{post_id}", last_event_id)

    def follow_all(self, last_event_id: str | None = None) -> AsyncGenerator[Event]:
        """The events of all posts after `last_event_id`, from now on if None, until closed."""
        return self._connection.follow("/api/events", last_event_id)


class How(TypedDict, total=False):
    """`version`: only if the post is still as it was read; the same `idempotency_key` does it once,
    however often it is asked."""

    version: int | None
    idempotency_key: str | None
