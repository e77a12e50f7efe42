"""The NATS client: it reads headers strictly, and waits for no path that takes nothing.

Strictly, because the server compares expectations with the first header of exactly their name: a
second one, or one with a blank in its name, would be believed here though nobody checked it. The
library would wait, before it connects anew or closes, until everything is sent: on a path that
takes nothing any more that is as long as the kernel tries, a quarter of an hour.
"""

from __future__ import annotations

import asyncio
from typing import Final

from nats.aio.client import Client
from nats.aio.transport import TcpTransport

DUPLICATED: Final = ""
"""Stands among the headers of a message that bears a header twice, or one without a name."""

CLOSE_S: Final = 2.0


class StrictClient(Client):
    """The library's client but for the way it reads headers and leaves a connection."""

    def abandon(self) -> None:
        """End the connection without what could not be sent."""
        transport = self._transport
        if isinstance(transport, TcpTransport) and (sender := transport._io_writer) is not None:  # noqa: SLF001  no other way to it
            sender.transport.abort()

    async def close(self) -> None:
        """Send what is left, as far as the path takes it within `CLOSE_S` seconds."""
        limit = asyncio.get_running_loop().call_later(CLOSE_S, self.abandon)
        try:
            await super().close()
        finally:
            limit.cancel()

    async def _process_op_err(self, e: Exception) -> None:
        if self.is_connected:
            self.abandon()
        await super()._process_op_err(e)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        """Every header by its exact name; of one that comes twice the last, which may be the
        server's own, and `DUPLICATED` beside it."""
        headers: dict[str, str] = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if name in headers:
                headers[DUPLICATED] = name
            if colon:
                headers[name] = value.strip()
        return headers
