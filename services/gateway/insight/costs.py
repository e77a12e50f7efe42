"""What the articles have cost, by stage, model, profile or day.

Settled is what was billed. Unconfirmed are attempts whose end is not known: between nothing and
`unconfirmed_usd` may have been paid for them. The two are never added.
"""

# ruff: noqa: TC001  (FastAPI reads the annotations)

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query

from services.gateway.context import Wired
from services.gateway.insight.cost_rows import costs
from services.gateway.insight.filters import CostFilter, Group
from services.gateway.posts.reading import projected
from services.gateway.web.answers import Answer
from services.gateway.web.documented import LISTED

if TYPE_CHECKING:
    from services.gateway.insight.cost_rows import Row

router = APIRouter(prefix="/api", tags=["costs"])


class Cost(Answer):
    """What some calls took. `images_usd` is the part of `settled_usd` that pictures cost.

    `tokens_in` includes what was read from a cache and written to one (for five minutes, or for an
    hour); `tokens_out` includes `tokens_image`.
    """

    calls: int
    posts: int
    tokens_in: int
    tokens_out: int
    cache_read: int
    cache_write: int
    cache_write_1h: int
    tokens_image: int
    settled_usd: float
    images_usd: float
    unconfirmed: int
    unconfirmed_usd: float


class GroupCost(Cost):
    """`key` is the stage, model, profile or day; null: calls of posts without a profile."""

    key: str | None


class CostsRead(Answer):
    since: date
    until: date
    group: Group
    total: Cost
    avg_usd_per_post: float | None
    groups: list[GroupCost]


@router.get("/costs", responses=LISTED)
async def read_costs(gateway: Wired, asked: Annotated[CostFilter, Query()]) -> CostsRead:
    """What was paid; deleted posts are included, for their bills were paid as well."""
    await projected(gateway, asked.min_seq)
    last = gateway.clock().astimezone(UTC).date()
    first = last - timedelta(days=asked.days - 1)
    total, groups = await costs(gateway.rows, gateway.tenant, asked, first, last)
    summed = Cost(**_rounded(total))
    return CostsRead(
        since=first,
        until=last,
        group=asked.group,
        total=summed,
        avg_usd_per_post=round(summed.settled_usd / summed.posts, 9) if summed.posts else None,
        groups=[GroupCost(**_rounded(row)) for row in groups],
    )


def _rounded(row: Row) -> dict[str, Any]:
    """As the ledger of a post rounds: a sum of floats is no more exact than that."""
    return {
        name: round(value, 9) if isinstance(value, float) else value for name, value in row.items()
    }
