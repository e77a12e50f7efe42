"""How every part of the client asks: reads as they are, changes under a key of their own, so that
one that has to be repeated happens once."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

from shared.client.answers import Page

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    import httpx

    from shared.client.connection import Connection

MOST = 200
"""What the gateway gives on one page."""


class Requests:
    """What the parts of the client share."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _one[T](
        self, _shape: type[T], path: str, asked: Mapping[str, object] | None = None
    ) -> T:
        """An object that was read."""
        return cast("T", self._connection.one(await self._read(path, asked)))

    async def _many[T](
        self, _shape: type[T], path: str, asked: Mapping[str, object] | None = None
    ) -> list[T]:
        """A list that was read."""
        return cast("list[T]", self._connection.many(await self._read(path, asked)))

    async def _each[T](
        self, _shape: type[T], path: str, asked: Mapping[str, object]
    ) -> AsyncGenerator[T]:
        """All pages of a list, each item once, also when the list moves meanwhile."""
        seen, page = set[str](), 1
        while True:
            told = await self._one(Page[dict[str, Any]], path, {**asked, **_page(page)})
            for each in told["items"]:
                if each["id"] not in seen:
                    seen.add(each["id"])
                    yield cast("T", each)
            if page >= told["pages"]:
                return
            page += 1

    async def _changed[T](self, _shape: type[T], method: str, path: str, **said: Any) -> T:  # noqa: ANN401  as _change
        """An object after a change."""
        return cast("T", self._connection.one(await self._change(method, path, **said)))

    async def _read(self, path: str, asked: Mapping[str, object] | None = None) -> httpx.Response:
        return await self._connection.send("GET", path, params=given(asked or {}))

    async def _change(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        file: tuple[str, bytes] | None = None,
        asked: Mapping[str, object] | None = None,
        key: str | None = None,
        version: int | None = None,
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key or secrets.token_urlsafe(16), **expecting(version)}
        said: dict[str, Any] = {} if body is None else {"json": body}
        if file is not None:
            headers["Content-Type"], said["content"] = file
        return await self._connection.send(
            method, path, headers=headers, params=given(asked or {}), **said
        )


def _page(number: int) -> dict[str, int]:
    return {"page": number, "per_page": MOST}


def expecting(version: int | None) -> dict[str, str]:
    """The header that names the version which was looked at."""
    return {} if version is None else {"If-Match": f'"{version}"'}


def given(values: Mapping[str, object]) -> dict[str, Any]:
    """Without what is left out."""
    return {name: value for name, value in values.items() if value is not None}
