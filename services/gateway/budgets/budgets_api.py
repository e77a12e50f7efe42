"""Every budget as it stands: its cap, what is spent, held back and in doubt, and what is left.

Caps are set where they belong: the day's and that of every post in the settings, others in their
profile or post.
"""

# ruff: noqa: TC001  (FastAPI reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from services.gateway.context import Wired
from services.gateway.web.answers import Answer
from services.gateway.web.documented import LISTED
from services.gateway.web.schemas import Asked
from shared.domain.balances import usd
from shared.domain.budgets import Scope, day_budget, post_budget, profile_budget
from shared.domain.documents import Kind, profile_in, settings_in, settings_ref
from shared.runtime.budgets import Standing, standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services.gateway.context import Gateway
    from shared.domain.budgets import BudgetName

router = APIRouter(prefix="/api", tags=["budgets"])

_MOST_PROFILES = 700


class BudgetFilter(Asked):
    """Which page of the budgets of posts to show."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per_page: Annotated[int, Field(ge=1, le=200)] = 50


class BudgetRead(Answer):
    """A budget. Without a cap nothing is held back, nothing counted, and `left_usd` is null.

    `id` is the profile or post, `all` for the day; up to `unconfirmed_usd` may have been charged;
    `reserved_usd` is held back for `calls_under_way`.
    """

    scope: Scope
    id: str
    period: str
    cap_usd: float | None
    spent_usd: float
    reserved_usd: float
    unconfirmed_usd: float
    left_usd: float | None
    calls_under_way: int


class BudgetsRead(Answer):
    """The day's budget, those of profiles, and one page of those of posts, waiting ones first.

    `post_usd` is the cap of every post that has none of its own.
    """

    day: BudgetRead
    post_usd: float | None
    profiles: list[BudgetRead]
    posts: list[BudgetRead]
    total: int
    page: int
    per_page: int
    pages: int


@router.get("/budgets", responses=LISTED)
async def read_budgets(gateway: Wired, asked: Annotated[BudgetFilter, Query()]) -> BudgetsRead:
    """Every budget there is."""
    settings = settings_ref(gateway.tenant)
    found = await gateway.documents.latest([settings])
    said = settings_in(found.get(settings)).budgets.over(gateway.day_usd)
    own, total = await gateway.rows.capped(
        gateway.tenant, all_posts=said.post_usd is not None, page=asked.page, most=asked.per_page
    )
    today = day_budget(gateway.clock())
    profiles = await _profiles(gateway)
    posts = {post_budget(post): said.post_usd if cap is None else cap for post, cap in own}
    stand = await standing(gateway.events, gateway.tenant, [today, *profiles, *posts])
    return BudgetsRead(
        day=_shown(today, said.day_usd, stand[today]),
        post_usd=said.post_usd,
        profiles=_all_shown(profiles, stand),
        posts=_all_shown(posts, stand),
        total=total,
        page=asked.page,
        per_page=asked.per_page,
        pages=-(-total // asked.per_page),
    )


async def _profiles(gateway: Gateway) -> dict[BudgetName, float | None]:
    """The profiles whose posts may cost only so much together."""
    found: dict[BudgetName, float | None] = {}
    for version in await gateway.documents.every(gateway.tenant, Kind.PROFILE):
        profile = profile_in(version)
        if profile is not None and profile.budget_usd is not None:
            found[profile_budget(UUID(version.ref.id))] = profile.budget_usd
    return dict(list(found.items())[:_MOST_PROFILES])


def _all_shown(
    caps: Mapping[BudgetName, float | None], stand: Mapping[BudgetName, Standing]
) -> list[BudgetRead]:
    return [_shown(name, cap, stand[name]) for name, cap in caps.items()]


def _shown(name: BudgetName, cap: float | None, stands: Standing) -> BudgetRead:
    balance = stands.balance
    return BudgetRead(
        scope=name.scope,
        id=name.id,
        period=name.period,
        cap_usd=cap,
        spent_usd=float(balance.spent_usd),
        reserved_usd=float(balance.reserved_usd),
        unconfirmed_usd=float(balance.unconfirmed_usd),
        left_usd=None if cap is None else float(balance.left(usd(cap))),
        calls_under_way=len(balance.reserved),
    )
