"""What is due without anybody asking: runs that waited are woken, late reviews decided.

It only issues ordinary commands, which `decide` refuses or ignores when they come too early or
twice; so any number of replicas may run it, and a lost race is nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from services.gateway.budgets.releasing import release
from services.gateway.budgets.waking import Waking
from services.gateway.control.commands import execute
from services.gateway.rows import ReadModelAway
from shared.domain.commands import ExpireGate, WakeStage
from shared.errors import GalleyError, LogError
from shared.failpoints import reached

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.gateway.context import Gateway
    from shared.domain.post import Post
    from shared.domain.subjects import PostRef

log = structlog.get_logger()

_EVERY_S = 1.0
_MOST = 200
_AT_ONCE = 8
_RELEASE_EVERY = 30


async def run(gateway: Gateway, beat: Callable[[], None] = lambda: None) -> None:
    """Do what is due, every second, until cancelled."""
    wakings, rounds = dict[str, Waking](), 0
    while True:
        beat()
        await once(gateway)
        for tenant in gateway.tenants:
            theirs = gateway.of(tenant)
            waking = wakings.setdefault(tenant, Waking(theirs))
            await budgets(theirs, waking, releasing=rounds % _RELEASE_EVERY == 0)
        rounds += 1
        await asyncio.sleep(_EVERY_S)


async def budgets(gateway: Gateway, waking: Waking, *, releasing: bool) -> None:
    """Wake whom a budget has room for; now and then, finish what dead workers left held back."""
    try:
        found = await waking.round()
        if releasing:
            await release(gateway, found.seen)
    except ReadModelAway as error:
        log.warning("duties.read_model_away", why=str(error.__cause__))
        return
    except LogError as error:
        log.warning("duties.budgets_unread", why=str(error))
        return
    turn = asyncio.Semaphore(_AT_ONCE)
    await asyncio.gather(*(_carried_out(gateway, ref, wish, turn) for ref, wish in found.wake))


async def once(gateway: Gateway) -> None:
    """Do what is due now. What cannot be done now is tried again next time."""
    try:
        due = await gateway.rows.due(gateway.clock(), _MOST)
    except ReadModelAway as error:
        log.warning("duties.read_model_away", why=str(error.__cause__))
        return
    turn = asyncio.Semaphore(_AT_ONCE)
    await asyncio.gather(*(_attend(gateway, ref, post, turn) for ref, post in due))


async def _attend(gateway: Gateway, ref: PostRef, post: Post, turn: asyncio.Semaphore) -> None:
    command = owed(post, ref)
    if command is not None:
        await _carried_out(gateway, ref, command, turn)


async def _carried_out(
    gateway: Gateway, ref: PostRef, command: WakeStage | ExpireGate, turn: asyncio.Semaphore
) -> None:
    async with turn:
        reached("duty.due")
        try:
            await execute(gateway.events, ref, command, gateway.clock)
            reached("duty.done")
        except GalleyError as error:
            log.warning("duties.not_done", post_id=str(ref.id), why=str(error))


def owed(post: Post, ref: PostRef) -> WakeStage | ExpireGate | None:
    """The command that a post whose time has come is owed."""
    if post.held is not None:
        return WakeStage(post_id=ref.id, run=post.held.run)
    if post.review is not None and post.review.deadline is not None:
        return ExpireGate(post_id=ref.id, review=post.review.seq)
    return None
