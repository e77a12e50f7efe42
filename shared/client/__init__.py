"""A typed client of the gateway that never does a thing twice and never loses an event of a stream.

async with Gateway("http://127.0.0.1:8080", "galley_main_...") as galley:
    post = await galley.create("How to Train a Puppy")
    async for event in galley.follow(post["id"]):
        print(event.name, event.data.get("message"))

A gateway that was reached once is given `patience` seconds to come back when it goes away: reads
are repeated, and so is what changes something, under one Idempotency-Key, so that it happens once.
"""

from __future__ import annotations

from shared.client.answers import Post, PostSummary
from shared.client.connection import Event
from shared.client.gateway import Gateway
from shared.errors import (
    GatewayAway,
    GatewayError,
    InvalidRequest,
    NotAdmitted,
    NotFound,
    StateConflict,
    Unanswered,
)

__all__ = [
    "Event",
    "Gateway",
    "GatewayAway",
    "GatewayError",
    "InvalidRequest",
    "NotAdmitted",
    "NotFound",
    "Post",
    "PostSummary",
    "StateConflict",
    "Unanswered",
]
