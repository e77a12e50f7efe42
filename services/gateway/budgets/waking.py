"""A post that waits for a budget goes on as soon as there is room for its next call.

Room comes when a cap is raised or taken away, when the day turns and when others' reservations are
released; whatever it was, the balances and caps of now say so. Each is read once a round, for all
posts together, and what one post is woken for is not promised to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from shared.domain.balances import reserve, usd
from shared.domain.budgets import (
    BudgetName,
    limits,
    refusal,
)
from shared.domain.commands import WakeStage
from shared.domain.documents import profile_in, profile_ref, settings_in, settings_ref
from shared.runtime.budgets import standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from services.gateway.context import Gateway
    from shared.domain.balances import Balance, Money
    from shared.domain.post import Post
    from shared.domain.subjects import PostRef

MOST = 200
_FIRST = UUID(int=0)

type Waiting = tuple[PostRef, Post]


class Round(NamedTuple):
    """Whom to wake, and the budgets that were looked at."""

    wake: tuple[tuple[PostRef, WakeStage], ...] = ()
    seen: frozenset[BudgetName] = frozenset()


class Waking:
    """The rounds of one replica. Posts take turns, so that those whose budget will never have room
    keep nobody else from being looked at."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._after = _FIRST

    async def round(self) -> Round:
        """Look at the next posts. Raises `ReadModelAway`, `LogError`."""
        gateway, now = self._gateway, self._gateway.clock()
        found = await gateway.rows.out_of_budget(gateway.tenant, now, self._after, MOST)
        self._after = found[-1][0].id if len(found) == MOST else _FIRST
        if not found:
            return Round()
        caps = await _caps(gateway, found, now)
        names = {name for each in caps.values() for name in each}
        stand = await standing(gateway.events, gateway.tenant, names)
        balances = {name: each.balance for name, each in stand.items()}
        return Round(tuple(fitting(found, caps, balances)), frozenset(names))


def fitting(
    waiting: Sequence[Waiting],
    caps: Mapping[PostRef, Mapping[BudgetName, Money]],
    balances: dict[BudgetName, Balance],
) -> list[tuple[PostRef, WakeStage]]:
    """Those whose next call fits beside the next calls of those before them."""
    woken = []
    for ref, post in waiting:
        if post.held is None:
            continue
        needed = usd(post.held.needed_usd)
        if refusal(caps[ref], balances, needed) is not None:
            continue
        for name in caps[ref]:
            balances[name] = reserve(balances[name], str(ref.id), needed)
        woken.append((ref, WakeStage(post_id=ref.id, run=post.held.run)))
    return woken


async def _caps(
    gateway: Gateway, waiting: Sequence[Waiting], now: datetime
) -> dict[PostRef, dict[BudgetName, Money]]:
    """What covers each of these posts, as it is set now, in one round trip."""
    profiles = {profile for _, post in waiting for profile in _profile(post)}
    refs = {profile: profile_ref(gateway.tenant, profile) for profile in profiles}
    settings = settings_ref(gateway.tenant)
    found = await gateway.documents.latest([settings, *refs.values()])
    said = settings_in(found.get(settings)).budgets.over(gateway.day_usd)
    known = {profile: profile_in(found.get(ref)) for profile, ref in refs.items()}
    return {
        ref: limits(ref, post, now, said, next((known[p] for p in _profile(post)), None))
        for ref, post in waiting
    }


def _profile(post: Post) -> tuple[UUID, ...]:
    """The post's profile, if it has one."""
    named = post.config.profile_id if post.config else None
    return () if named is None else (named,)
