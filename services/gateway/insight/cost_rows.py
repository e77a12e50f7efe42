"""What calls cost, summed over the read model's rows; those of deleted posts count as well.

A call belongs to the day (UTC) it ended on; one whose end is not known to the day it began.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from services.gateway.insight.filters import CostFilter
    from services.gateway.rows import ReadModel

type Row = Mapping[str, Any]

_DAY = "(coalesce(ended_at, started_at) at time zone 'UTC')::date"
_KEYS = {
    "stage": "calls.stage",
    "model": "coalesce(calls.model, '')",
    "profile": "posts.profile_id::text",
    "day": f"{_DAY}::text",
}
_CALLS = f"""from calls join posts on posts.id = calls.post_id
where posts.tenant = $1 and {_DAY} >= $2 and {_DAY} <= $3
    and ($4::uuid is null or posts.profile_id = $4)
    and ($5::text is null or calls.model = $5)
    and ($6::text is null or calls.stage = $6)"""
_SUMS = """count(*) as calls, count(distinct calls.post_id) as posts,
    coalesce(sum(tokens_in), 0)::bigint as tokens_in,
    coalesce(sum(tokens_out), 0)::bigint as tokens_out,
    coalesce(sum(cache_read), 0)::bigint as cache_read,
    coalesce(sum(cache_write), 0)::bigint as cache_write,
    coalesce(sum(cache_write_1h), 0)::bigint as cache_write_1h,
    coalesce(sum(tokens_image), 0)::bigint as tokens_image,
    coalesce(sum(cost_usd), 0) as settled_usd,
    coalesce(sum(cost_usd) filter (where provider = 'gemini'), 0) as images_usd,
    count(*) filter (where outcome in ('started', 'abandoned')
        or (outcome = 'failed' and unconfirmed_usd > 0)) as unconfirmed,
    coalesce(sum(case when outcome in ('started', 'abandoned') then worst_case_usd
        when outcome = 'failed' then unconfirmed_usd end), 0) as unconfirmed_usd"""


async def costs(
    rows: ReadModel, tenant: str, asked: CostFilter, first: date, last: date
) -> tuple[Row, Sequence[Row]]:
    """The sums over everything that was asked for, and those of each group."""
    key = _KEYS[asked.group]
    order = "1" if asked.group == "day" else "settled_usd desc, 1"
    narrowed = (tenant, first, last, asked.profile_id, asked.model or None, asked.stage)
    async with rows.look() as look:
        total = await look.fetchrow(f"select {_SUMS} {_CALLS}", *narrowed)
        groups = await look.fetch(
            f"select {key} as key, {_SUMS} {_CALLS} group by 1 order by {order}",
            *narrowed,
        )
    return dict(total or {}), [dict(row) for row in groups]
