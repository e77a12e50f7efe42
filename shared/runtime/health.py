"""Tells an orchestrator whether a process lives and is ready, over raw ASGI, without a framework.

`/livez` asks whether its loops still turn (restart it if not), `/readyz` whether it can do its work
now (wait if not). A check is a function: None is fine, anything else is the reason in words.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, MutableMapping

type Check = Callable[[], str | None]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Message, Receive, Send], Awaitable[None]]


class Pulse:
    """The sign of life of a loop: it beats with every turn."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._last = now()

    def beat(self) -> None:
        self._last = self._now()

    def check(self, within_s: float) -> str | None:
        """Why the loop counts as stuck: it has not beaten for longer than `within_s`."""
        silent = self._now() - self._last
        return f"has not turned for {silent:.0f} s" if silent > within_s else None


def health(
    live: Mapping[str, Check],
    ready: Mapping[str, Check],
    told: Mapping[str, Callable[[], str | int]] | None = None,
) -> App:
    """The ASGI application that answers `/livez` and `/readyz` from these checks.

    What is `told` (a role, a position) stands beside the checks and judges nothing.
    """
    routes = {"/livez": live, "/readyz": ready}

    async def answer(scope: Message, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        checks = routes.get(scope["path"])
        if checks is None:
            await _send(send, 404, {"error": "there are /livez and /readyz here"})
        elif scope["method"] not in {"GET", "HEAD"}:
            await _send(send, 405, {"error": "only GET and HEAD"}, allow=b"GET, HEAD")
        else:
            status, body = examined(checks)
            about = {name: tell() for name, tell in (told or {}).items()}
            await _send(send, status, {**body, **about})

    return answer


def examined(checks: Mapping[str, Check]) -> tuple[int, dict[str, Any]]:
    """The HTTP status and the body: every check and, where it failed, its reason."""
    reasons = {name: check() for name, check in checks.items()}
    fine = all(reason is None for reason in reasons.values())
    words = {name: "ok" if reason is None else reason for name, reason in reasons.items()}
    return (200 if fine else 503), {"ok": fine, "checks": words}


async def _send(
    send: Send,
    status: int,
    body: dict[str, Any],
    allow: bytes = b"",
) -> None:
    data = json.dumps(body).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if allow:
        headers.append((b"allow", allow))
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": data})


@dataclass(frozen=True, slots=True)
class Served:
    """Where an application is reached."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class _Server(uvicorn.Server):
    """Leaves the process's signals to the process, and tells when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


@asynccontextmanager
async def serve(
    app: App,
    host: str,
    port: int,
    *,
    drain_s: int = 5,
    protocol: type[asyncio.Protocol] | None = None,
    announce: Callable[[Served], None] | None = None,
) -> AsyncIterator[Served]:
    """Serve while the context is open; then finish open answers, at most `drain_s` long.

    Connections speak `protocol`, which is one of the server's own unless it is said.
    Port 0 takes a free one. Raises `Misconfigured` when the address cannot be had.
    """
    with _listening(host, port) as listening:
        served = Served(host, int(listening.getsockname()[1]))
        server = _Server(_config(app, drain_s, protocol))
        running = asyncio.create_task(server.serve(sockets=[listening]), name="http")
        try:
            await _up(server, running)
            if announce is not None:
                announce(served)
            yield served
        finally:
            server.should_exit = True
            await running


async def _up(server: _Server, running: asyncio.Task[None]) -> None:
    started = asyncio.create_task(server.up.wait())
    await asyncio.wait({started, running}, return_when=asyncio.FIRST_COMPLETED)
    started.cancel()
    if running.done():
        await running


def _config(app: App, drain_s: int, protocol: type[asyncio.Protocol] | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol or "auto",
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=drain_s,
    )


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise Misconfigured(f"cannot listen on {host} port {port}: {error.strerror}") from error
    # asyncio switches Nagle's algorithm off only where the socket names its protocol.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
