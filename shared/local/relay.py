"""Every line a child writes reaches the log file whole, behind the child's name and pid.

Whole lines are written by one `write` each to a file opened for appending, so several children may
share a log. A line without an end is cut where it exceeds `LONGEST`. A full disk loses lines, which
the log says later; it never blocks the child.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONGEST = 65_536
REST_WITHIN_S = 1.0


class Relay:
    """The reading side of a child's output. `output` is the descriptor the child writes to."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self._reader = reader
        self._transport = transport
        self._task: asyncio.Task[None] | None = None

    def begin(self, label: str, log: int) -> None:
        """Copy in the background until the last writer is gone; `log` is closed then."""
        self._task = asyncio.create_task(self._copy(_Log(f"{label} | ".encode(), log)))

    async def finish(self) -> None:
        """Wait for what is still in the pipe; a grandchild that keeps it open is not waited for."""
        if self._task is not None:
            await asyncio.wait([self._task], timeout=REST_WITHIN_S)
            self._task.cancel()
        self._transport.close()

    async def _copy(self, log: _Log) -> None:
        try:
            async for line in lines(self._reader):
                log.add(line)
        finally:
            log.close()


class _Log:
    """Where lines go, each behind the same prefix."""

    def __init__(self, prefix: bytes, descriptor: int) -> None:
        self._prefix = prefix
        self._descriptor = descriptor
        self._lost = 0

    def add(self, line: bytes) -> None:
        """Write a line; one that cannot be written is counted, and told with the next that can."""
        told = b"(%d lines lost)\n" % self._lost if self._lost else b""
        try:
            _write_all(
                self._descriptor, (told and self._prefix + told) + self._prefix + line + b"\n"
            )
        except OSError:
            self._lost += 1
        else:
            self._lost = 0

    def close(self) -> None:
        os.close(self._descriptor)


async def open_relay() -> tuple[Relay, int]:
    """A relay, and the descriptor to hand to the child (the caller closes it after the fork)."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    return Relay(reader, transport), writing


async def lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The lines of a stream without their ends; the last one even if it has none."""
    rest = b""
    while chunk := await reader.read(LONGEST):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
        if len(rest) >= LONGEST:
            yield rest
            rest = b""
    if rest:
        yield rest


def _write_all(log: int, data: bytes) -> None:
    while data:
        data = data[os.write(log, data) :]
