"""The gateway's HTTP API: a method for what one can ask, done once however often it is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from shared.client.connection import Connection
from shared.client.documents import Documents
from shared.client.keys import Keys
from shared.client.posts import Posts
from shared.client.press import Press

if TYPE_CHECKING:
    from types import TracebackType


class Gateway(Posts, Press, Documents, Keys):
    """The gateway's HTTP API, to be used as an async context manager.

    `key` is the API key in whose name everything is done; without a good one nearly all methods
    raise `NotAdmitted`.

    A gateway that was reached once is waited for, up to `patience` seconds; one request lasts
    `timeout` seconds at most. Every method raises `GatewayAway` when nobody answers, `Unanswered`
    when a change was sent and its end is not known, and any other `GatewayError` with what the
    gateway said: `NotFound`, `StateConflict`, `InvalidRequest`. The constructor raises
    `Misconfigured` for what is no address. Where a `version` can be named (the one that was read),
    the gateway refuses what was decided on an older look.
    """

    def __init__(
        self, url: str, key: str = "", *, timeout: float = 30.0, patience: float = 30.0
    ) -> None:
        super().__init__(Connection(url, key, timeout=timeout, patience=patience))
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
