"""The gateway's HTTP API: a method for what one can ask, done once however often it is sent."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Self

from shared.client.connection import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence
    from types import TracebackType

    import httpx

    from shared.client.connection import Event


class Gateway:
    """The gateway's HTTP API.

    Methods raise `GatewayError` with what the gateway said, `GatewayAway` when nobody answers; the
    constructor raises `Misconfigured` for what is no address. Where a `version` can be named (the
    one that was read), the gateway refuses what was decided on an older look.
    """

    def __init__(self, url: str, *, timeout: float = 30.0, patience: float = 30.0) -> None:
        self._connection = Connection(url, timeout=timeout, patience=patience)
        self.url = self._connection.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._connection.close()

    # --- posts --------------------------------------------------------------------------------

    async def create(
        self,
        topic: str,
        *,
        gates: Mapping[str, str] | None = None,
        fields: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Create a post; it starts by itself unless all six gates are closed.

        `fields` are the further fields of a post, as in the API's description. The same
        `idempotency_key` always gives the same post.
        """
        body = {"topic": topic, "stage_settings": dict(gates or {}), **(fields or {})}
        return self._object(await self._change("POST", "/api/posts", body, key=idempotency_key))

    async def batch(
        self, posts: Sequence[Mapping[str, object]], *, idempotency_key: str | None = None
    ) -> list[dict[str, Any]]:
        """Create up to 1,000 posts, all or none."""
        rows = [dict(post) for post in posts]
        answer = await self._change("POST", "/api/posts/batch", rows, key=idempotency_key)
        return self._connection.many(answer)

    async def change(
        self, post_id: str, *, version: int | None = None, **fields: object
    ) -> dict[str, Any]:
        """Change fields, gates (`stage_settings`, `gate_deadline_s`, `gate_outcome`) or texts; None
        takes a field back to its default.

        Sent without a key, so that what is saved while somebody types is merged: it sets values,
        and sending it again is harmless.
        """
        path, headers = f"/api/posts/{post_id}", _expecting(version)
        return self._object(
            await self._connection.send("PATCH", path, json=fields, headers=headers)
        )

    async def delete(self, post_id: str, *, version: int | None = None) -> None:
        """Delete a post and everything it said; what it has cost stays on the books."""
        await self._change("DELETE", f"/api/posts/{post_id}", None, version=version)

    async def duplicate(
        self, post_id: str, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """A new post ordered alike, not started."""
        path = f"/api/posts/{post_id}/duplicate"
        return self._object(await self._change("POST", path, None, key=idempotency_key))

    async def control(
        self,
        post_id: str,
        action: str,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        **body: object,
    ) -> dict[str, Any]:
        """`action`: run, run-all, rerun/<stage>, approve, reject, pause, resume, cancel,
        restart."""
        path, said = f"/api/posts/{post_id}/{action}", _given(body)
        return self._object(
            await self._change("POST", path, said, key=idempotency_key, version=version)
        )

    async def post(self, post_id: str, *, min_seq: int | None = None) -> dict[str, Any]:
        """The whole post; with `min_seq`, not older than that sequence."""
        return self._object(await self._read(f"/api/posts/{post_id}", {"min_seq": min_seq}))

    async def posts(self, **filters: object) -> dict[str, Any]:
        """A page of posts without their texts: `items`, `total`, `page`, `per_page`."""
        return self._object(await self._read("/api/posts", filters))

    async def logs(
        self, post_id: str, *, level: Sequence[str] = (), stage: str | None = None
    ) -> list[dict[str, Any]]:
        """The execution log, oldest first: the whole of it, page by page."""
        found: list[dict[str, Any]] = []
        path, asked = f"/api/posts/{post_id}/logs", {"level": list(level), "stage": stage}
        cursor: object = None
        while True:
            page = self._object(await self._read(path, {**asked, "cursor": cursor}))
            found += page["items"]
            if (cursor := page["next"]) is None:
                return found

    async def search_logs(self, **filters: object) -> dict[str, Any]:
        """A page of the entries of all posts, newest first unless `order` is "asc": `items`, and
        `next`, the `cursor` of the next page, None when there is none. In a long log a page may be
        empty and not the last."""
        return self._object(await self._read("/api/logs", filters))

    async def calls(self, post_id: str) -> list[dict[str, Any]]:
        """Every attempt of every paid call, and what it cost."""
        return self._list(await self._read(f"/api/posts/{post_id}/calls"))

    async def export(self, post_id: str, form: str = "all") -> bytes:
        """`form`: all (a ZIP), markdown, html or wordpress."""
        return (await self._read(f"/api/posts/{post_id}/export/{form}")).content

    # --- the press ----------------------------------------------------------------------------

    async def queue(self, *, min_seq: int | None = None) -> dict[str, Any]:
        """How many posts are where: disjoint counts and their `total`."""
        return self._object(await self._read("/api/queue", {"min_seq": min_seq}))

    async def workers(self) -> dict[str, Any]:
        """Who is alive, what is in hand and what waits, service by service."""
        return self._object(await self._read("/api/queue/worker-status"))

    async def costs(self, **filters: object) -> dict[str, Any]:
        """What was paid, by `group`: stage, model, profile or day. Each with the tokens read from
        and written to caches (`cache_read`, `cache_write`, `cache_write_1h`) and `images_usd`."""
        return self._object(await self._read("/api/costs", filters))

    async def settings(self) -> list[dict[str, Any]]:
        """Every key with its value and version."""
        return self._list(await self._read("/api/settings"))

    async def change_settings(self, **keys: object) -> list[dict[str, Any]]:
        """Set these keys; None takes one back to its default."""
        return self._list(await self._change("PATCH", "/api/settings", keys))

    async def health(self) -> dict[str, Any]:
        """That it answers, and which providers are simulated."""
        return self._object(await self._read("/health"))

    def follow(self, post_id: str, last_event_id: str | None = "0") -> AsyncGenerator[Event]:
        """The post's events after `last_event_id`, live, until closed.

        "0" begins at the very beginning, None with a `snapshot` of the post as it is now. A broken
        stream is taken up where it stopped. `reset` says that the log is another one than before:
        forget everything, a `snapshot` follows.
        """
        return self._connection.follow(f"/api/events/{post_id}", last_event_id)

    async def _read(self, path: str, params: Mapping[str, object] | None = None) -> httpx.Response:
        return await self._connection.send("GET", path, params=_given(params or {}))

    async def _change(
        self,
        method: str,
        path: str,
        body: object,
        *,
        key: str | None = None,
        version: int | None = None,
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(16), **_expecting(version)}
        said = {} if body is None else {"json": body}
        return await self._connection.send(method, path, headers=headers, **said)

    def _object(self, response: httpx.Response) -> dict[str, Any]:
        return self._connection.one(response)

    def _list(self, response: httpx.Response) -> list[dict[str, Any]]:
        return self._connection.many(response)


def _expecting(version: int | None) -> dict[str, str]:
    return {} if version is None else {"If-Match": f'"{version}"'}


def _given(values: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
