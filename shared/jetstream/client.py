"""The NATS client, reading headers strictly and several times faster than the library does.

Strictly, because the server compares expectations with the first header of exactly their name: a
second one, or one with a blank in its name, would be believed here though nobody checked it.
"""

from __future__ import annotations

from typing import Final

from nats.aio.client import Client

DUPLICATED: Final = ""
"""Stands among the headers of a message that bears a header twice, or one without a name."""


class StrictClient(Client):
    """The library's client but for the way it reads headers."""

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
