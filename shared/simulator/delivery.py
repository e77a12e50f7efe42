"""Sends an answer at the pace asked for, breaks it where the fault says, and tells how it ended.

Every wait ends at once when the client leaves. What comes back is the journal's outcome and usage.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from shared.simulator.reply import PAGE, Piece, Reply

if TYPE_CHECKING:
    from shared.domain.values import Usage
    from shared.simulator.exchange import Exchange
    from shared.simulator.faults import Fault
    from shared.simulator.settings import Pace

type Ended = tuple[str, Usage | None]

FOR_EVER = 3_600.0
_DRIPS = 20
_AT_ONCE = 12
_BROKEN_FRAME = b'event: content_block_delta\ndata: {"type": "content_bl\n\n'


def spoiled(reply: Reply, fault: Fault | None) -> Reply:
    """The answer as a broken gateway or a broken provider would pass it on."""
    match fault.name if fault else "":
        case "html_502":
            return _page(502, "error:502")
        case "html_body":
            return _page(200, "error:200")
        case "empty":
            return replace(reply, pieces=(Piece(b""),), usage=None, outcome="error:200")
        case "half_json":
            return replace(reply.with_body(reply.body[: len(reply.body) // 2]), outcome="cut")
        case "end_mid" if not reply.streamed:
            return replace(reply.with_body(reply.body[: len(reply.body) // 2]), outcome="cut")
        case "bad_frame" if not reply.streamed:
            return reply.with_body(reply.body[:-1] + b",}")
        case _:
            return reply


def _page(status: int, outcome: str) -> Reply:
    body = b"<!doctype html><title>Gateway</title><p>The gateway did not get an answer.</p>"
    return Reply(status=status, pieces=(Piece(body),), media_type=PAGE, outcome=outcome)


async def without_answer(exchange: Exchange, fault: Fault) -> Ended:
    """`hang` says nothing until the client leaves; `reset` cuts the connection at once."""
    if fault.name == "hang" and await exchange.left_within(fault.number(FOR_EVER)):
        return "disconnected", None
    await exchange.cut(reset=fault.name == "reset")
    return "cut", None


async def deliver(exchange: Exchange, reply: Reply, fault: Fault | None, pace: Pace) -> Ended:
    """Send the answer; the usage covers all of it, or what a stream had sent when it ended."""
    if await _left(exchange, _before(reply, fault, pace)):
        return "disconnected", reply.billed(0)
    await exchange.start(reply.status, _headers(reply))
    pause = _pause(reply, fault, pace)
    outcome, sent = await _send(exchange, reply, fault, pause)
    if not outcome:
        await exchange.write(b"", more=False)
    return outcome or reply.outcome, reply.billed(sent)


async def _send(
    exchange: Exchange, reply: Reply, fault: Fault | None, pause: float
) -> tuple[str, int]:
    """Send the body; how it ended if not with its end, and how many pieces are sent."""
    parts = _parts(reply, fault)
    middle = len(parts) // 2
    step = 1 if pause or fault else _AT_ONCE
    for sent in range(0, len(parts), step):
        if sent == middle and fault and (ended := await _strike(exchange, fault, reply)):
            return ended, sent
        broken = sent == middle and fault and fault.name == "bad_frame" and reply.streamed
        await exchange.write(_BROKEN_FRAME if broken else b"".join(parts[sent : sent + step]))
        if sent + step < len(parts) and await _left(exchange, pause):
            return "disconnected", sent + step
    return "", len(parts)


def _before(reply: Reply, fault: Fault | None, pace: Pace) -> float:
    """The seconds before the first byte: an answer in one piece comes when it is all there."""
    delay = fault.number(1.0) if fault and fault.name == "delay" else 0.0
    whole = 0.0 if reply.streamed else pace.per_chunk * reply.length
    return delay + pace.first_token + whole


async def _left(exchange: Exchange, seconds: float) -> bool:
    if seconds > 0:
        return await exchange.left_within(seconds)
    await asyncio.sleep(0)
    return exchange.gone


def _headers(reply: Reply) -> tuple[tuple[str, str], ...]:
    kind = ("content-type", reply.media_type)
    if reply.streamed:
        return (kind, ("cache-control", "no-cache"), *reply.headers)
    return (kind, ("content-length", str(len(reply.body))), *reply.headers)


def _parts(reply: Reply, fault: Fault | None) -> list[bytes]:
    if reply.streamed:
        return [piece.data for piece in reply.pieces]
    body = reply.body
    count = {"drip": _DRIPS, "stall": 2, "cut_mid": 2, "reset_mid": 2}
    size = max(1, -(-len(body) // count.get(fault.name if fault else "", 1)))
    return [body[at : at + size] for at in range(0, len(body), size)] or [b""]


def _pause(reply: Reply, fault: Fault | None, pace: Pace) -> float:
    if fault and fault.name == "drip":
        return fault.number(0.2)
    return pace.per_chunk if reply.streamed else 0.0


async def _strike(exchange: Exchange, fault: Fault, reply: Reply) -> str:
    match fault.name:
        case "reset_mid" | "cut_mid":
            await exchange.cut(reset=fault.name == "reset_mid")
            return "cut"
        case "end_mid" | "err_event" if reply.streamed:
            await exchange.write(reply.failing, more=False)
            return "cut"
        case "stall" if await exchange.left_within(fault.number(FOR_EVER)):
            return "disconnected"
        case _:
            return ""
