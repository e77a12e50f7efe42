"""One connection to the server that never gives up, and raises an alarm when it is refused a right.

A server that is away is waited for, without end; what is asked meanwhile fails at once instead of
being kept back and sent at a time when nobody expects it any more. The server answers a forbidden
request with silence and an error beside it: here that error is recorded and logged, so that a
missing right is seen as what it is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import structlog

from shared.errors import LogUnavailable, Misconfigured
from shared.jetstream.client import StrictClient
from shared.jetstream.requests import Requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence

log = structlog.get_logger(__name__)

KEPT_ALARMS: Final = 200
RECONNECT_WAIT_S: Final = 0.2
PING_EVERY_S: Final = 4.0
"""The third one without an answer ends the connection: a silent server or path is left within
sixteen seconds, before a worker that it holds up has lost what was lent to it."""
DOUBT_S: Final = 30.0
"""How long an append that failed by the server's fault counts, when none is tried again."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must know: a short stable name, and what it means."""

    name: str
    detail: str


type OnAlarm = Callable[[Alarm], None]


class Connection:
    """A user's connection: requests, alarms, and whether the server is there.

    `alarms` keeps the latest ones, oldest first.
    """

    def __init__(self, user: str, on_alarm: OnAlarm | None = None) -> None:
        self.nc: Final = StrictClient()
        self.user: Final = user
        self.alarms: Final[deque[Alarm]] = deque(maxlen=KEPT_ALARMS)
        self.requests: Final = Requests(self.nc)
        self._on_alarm = on_alarm
        self._there = asyncio.Event()
        self._at_loss: set[Callable[[], None]] = {self.requests.lose}
        self._before_close: list[Callable[[], Awaitable[None]]] = []
        self._closing = False
        self._lacks = ""
        self._doubt = ""
        self._doubted_at = 0.0
        self._said: deque[str] = deque(maxlen=KEPT_ALARMS)
        self.refused = asyncio.Event()

    @property
    def connected(self) -> bool:
        return self.nc.is_connected

    @property
    def closed(self) -> bool:
        """The connection is gone for good; only a new process helps."""
        return self.nc.is_closed

    def problem(self) -> str | None:
        """Why this connection cannot do its work now; None when it can."""
        if self.closed:
            return "the connection to NATS is closed for good"
        if not self.connected:
            return self._lacks or "NATS is away"
        silent = "NATS does not answer" if self.requests.silent else None
        return self._lacks or self._doubted() or silent

    async def ready(self, within: float) -> bool:
        """Wait for the server; False when it is not there in time."""
        if self.connected:
            return True
        self._there.clear()  # the loss is noticed here before anybody is told of it
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._there.wait()
        return self.connected

    def alarm(self, name: str, detail: str, **fields: str | int) -> None:
        """Record and log something a person must know."""
        told = Alarm(name, detail)
        self.alarms.append(told)
        log.error(name, detail=detail, user=self.user, **fields)
        if self._on_alarm is not None:
            self._on_alarm(told)

    def doubt(self, why: str) -> None:
        """The server is there and did not take an append, by no fault of the append.

        It may not take any: its disk is full, or a stream stands still after one failed write.
        Not so when it is gone, or has said what this user may not do: that is the reason then.
        """
        if self._lacks or not self.connected:
            return
        if self._doubted() is None:
            self.alarm("nats.stores_nothing", f"an append came to nothing: {why}")
        self._doubt, self._doubted_at = why, asyncio.get_running_loop().time()

    def trust(self) -> None:
        """The server has stored an append."""
        self._doubt = ""

    def _doubted(self) -> str | None:
        """Whoever is not ready is asked for no appends: so the doubt ends by itself too."""
        if not self._doubt or asyncio.get_running_loop().time() > self._doubted_at + DOUBT_S:
            return None
        return f"NATS stores nothing: {self._doubt}"

    def at_loss(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have `call` called whenever the server is lost; the answer takes it back."""
        self._at_loss.add(call)
        return lambda: self._at_loss.discard(call)

    async def open(
        self, urls: Sequence[str], password: str, name: str, ping_every: float = PING_EVERY_S
    ) -> None:
        await self.nc.connect(
            servers=list(urls),
            user=self.user,
            password=password,
            name=name,
            inbox_prefix=f"_INBOX_{self.user}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # seconds, passed to sleep
            ping_interval=ping_every,  # type: ignore[arg-type]
            pending_size=0,
            error_cb=self._error,
            disconnected_cb=self._lost,
            reconnected_cb=self._found,
            closed_cb=self._closed,
        )
        await self.requests.start()
        self._there.set()

    def before_close(self, call: Callable[[], Awaitable[None]]) -> None:
        """Have `call` awaited before the connection closes: last opened, first closed."""
        self._before_close.append(call)

    async def close(self) -> None:
        try:
            while self._before_close:
                await self._before_close.pop()()
        finally:
            self._closing = True
            await self.nc.close()

    async def _error(self, error: Exception) -> None:
        text = str(error) or type(error).__name__
        if "permissions violation" in text.lower():
            self.requests.refuse(text)
            self._lacks = f"user {self.user} lacks a right: {text}"
            self.alarm("nats.permission_denied", self._lacks)
        elif "authorization violation" in text.lower():
            self.refused.set()
            self._once(f"the server does not accept user {self.user} with this password")
        else:
            self._once(text)

    def _once(self, text: str) -> None:
        """Reconnecting fails five times a second, at each server in turn: say each thing once."""
        if text not in self._said:
            self._said.append(text)
            log.warning("nats.error", error=text, user=self.user)

    async def _lost(self) -> None:
        self._there.clear()
        for call in tuple(self._at_loss):
            call()
        if not self._closing:
            log.warning("nats.disconnected", user=self.user)

    async def _found(self) -> None:
        self._doubt = ""
        self._said.clear()
        self._there.set()
        log.info("nats.reconnected", user=self.user)

    async def _closed(self) -> None:
        await self._lost()
        if not self._closing and not self.refused.is_set():
            self.alarm("nats.closed", "the server ended the connection for good")


@asynccontextmanager
async def connect(
    urls: str | Sequence[str],
    user: str,
    password: str,
    name: str,
    *,
    on_alarm: OnAlarm | None = None,
    patience: float = 10.0,
    ping_every: float = PING_EVERY_S,
) -> AsyncIterator[Connection]:
    """A connection while the context is open; `urls` may also be several, with commas between.

    Raises `Misconfigured` when the server refuses user or password, `LogUnavailable` when no server
    is there within `patience` seconds.
    """
    connection = Connection(user, on_alarm)
    servers = urls.split(",") if isinstance(urls, str) else urls
    try:
        opening = connection.open(servers, password, name, ping_every)
        await _opened(connection, opening, servers, patience)
        yield connection
    finally:
        await connection.close()


async def _opened(
    connection: Connection, open_: Coroutine[None, None, None], urls: Sequence[str], patience: float
) -> None:
    opening = asyncio.create_task(open_)
    refused = asyncio.ensure_future(connection.refused.wait())
    try:
        await asyncio.wait(
            {opening, refused}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
        )
        if opening.done():
            return await opening
    finally:
        await _ended(opening, refused)
    if connection.refused.is_set():
        raise Misconfigured(f"NATS refuses user {connection.user!r}: check its password")
    raise LogUnavailable(f"no NATS server answers at {', '.join(urls)}")


async def _ended(*tasks: asyncio.Task[None] | asyncio.Task[Literal[True]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
