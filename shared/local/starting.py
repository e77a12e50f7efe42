"""A start comes to an end: everything is ready, or the part that cannot be started is named.

With the part come its last line of output and its log, which is where a person looks next.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

import httpx

from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path
    from typing import Any

    from shared.local.layout import Layout
    from shared.local.supervisor import Notice, Notify

STARTS_WITHIN = 180.0
LOOKS_EVERY = 0.05
MOST_CRASHES = 3
"""So often may one part end by itself while the plant starts: more is no accident."""
TAIL_BYTES = 8_192
LONGEST_WORDS = 300


class NotStarted(GalleyError):
    """A part of the plant cannot be started; the message names it, its last words and its log."""


class Starting:
    """Hears what a supervisor says on its way to `notify`, and ends a start that leads nowhere."""

    def __init__(self, notify: Notify, layout: Layout) -> None:
        self._notify = notify
        self._layout = layout
        self._crashes: Counter[str] = Counter()
        self._hopeless: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._started: Callable[[], None] | None = None

    def __call__(self, notice: Notice) -> None:
        if notice.kind == "crashed":
            self._crashed(notice)
        if notice.kind == "started" and self._started is not None:
            self._started()
        self._notify(notice)

    def whenever_started(self, call: Callable[[], None]) -> None:
        """`call` at each later start of a process."""
        self._started = call

    async def outcome[T](self, start: Coroutine[Any, Any, T]) -> T:
        """What `start` returns. Raises `NotStarted` as soon as it cannot succeed any more."""
        working = asyncio.ensure_future(start)
        try:
            await asyncio.wait((working, self._hopeless), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise NotStarted(self._hopeless.result())
            return working.result()
        except OSError as error:
            raise NotStarted(f"the plant cannot be started: {error}") from error
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    def _crashed(self, notice: Notice) -> None:
        self._crashes[notice.name] += 1
        if self._crashes[notice.name] < MOST_CRASHES or self._hopeless.done():
            return
        last = plainly(notice.told) or "it said nothing"
        log = self._layout.log_of(notice.name)
        self._hopeless.set_result(f"{notice.name} cannot be started: {last} (see {log})")


async def all_ready(ports: Mapping[str, int], layout: Layout) -> None:
    """Until every service says it is ready. Raises `NotStarted` naming those that do not."""
    waiting = dict(ports)
    try:
        async with asyncio.timeout(STARTS_WITHIN), loopback() as http:
            while waiting:
                for name, port in list(waiting.items()):
                    if await is_ready(http, port):
                        del waiting[name]
                await asyncio.sleep(LOOKS_EVERY)
    except TimeoutError:
        told = "; ".join(_excuse(name, layout.log_of(name)) for name in waiting)
        raise NotStarted(f"not ready after {STARTS_WITHIN:.0f} s: {told}") from None


def loopback() -> httpx.AsyncClient:
    """A client for this machine: no proxy stands between us and our own processes."""
    return httpx.AsyncClient(timeout=2.0, trust_env=False)


async def is_ready(http: httpx.AsyncClient, port: int) -> bool:
    """Whether the service with its health on `port` says that it can work."""
    try:
        return (await http.get(f"http://127.0.0.1:{port}/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _excuse(name: str, log: Path) -> str:
    return f"{name}, which last said {plainly(last_line(log)) or 'nothing'!r} (see {log})"


def last_line(log: Path) -> str:
    """The last line of a log that is not empty; empty when there is none."""
    try:
        with log.open("rb") as lines:
            lines.seek(max(0, log.stat().st_size - TAIL_BYTES))
            told = lines.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(told) if line.strip()), "")


def plainly(line: str) -> str:
    """A line of output for people: of a structured one its event and what explains it."""
    try:
        told = json.loads(line)
    except ValueError:
        told = None
    if not isinstance(told, dict) or "event" not in told:
        return line.removeprefix("galley: ")[:LONGEST_WORDS]
    reason = told.get("exception") or told.get("error") or told.get("why") or ""
    words = str(reason).strip().splitlines()[-1:]
    return " ".join((str(told["event"]), *(word.strip() for word in words)))[:LONGEST_WORDS]
