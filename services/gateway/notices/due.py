"""Which notices are due, as the rows say: they only tell where to look, the log decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shared.domain.subjects import PostRef

if TYPE_CHECKING:
    from datetime import datetime

    from services.gateway.rows import ReadModel
    from shared.domain.values import NoticeEvent


class Due(NamedTuple):
    """The fact at `told` has to be told. `attempt` is the last one that began (0: none), and `lost`
    that it has not ended in time."""

    ref: PostRef
    told: int
    event: NoticeEvent
    attempt: int = 0
    lost: bool = False


async def due(rows: ReadModel, now: datetime, most: int) -> list[Due]:
    """The notices of every tenant whose time has come, the longest due first.

    Raises `ReadModelAway`.
    """
    async with rows.look() as look:
        found = await look.fetch(
            "select tenant, post_id, seq, event, attempt, state from notices"
            " where due_at <= $1 order by due_at, seq limit $2",
            now,
            most,
        )
    return [
        Due(
            PostRef(row["tenant"], row["post_id"]),
            row["seq"],
            row["event"],
            row["attempt"],
            row["state"] == "sending",
        )
        for row in found
    ]
