"""Which budgets a call needs room in, how large they are, and why it has to wait if it has to.

Caps stand where people set them: in the settings (all posts of a day, and of each post the most),
in a profile and in a post. A scope without a cap is no budget, and nothing is counted there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from shared.domain.balances import EMPTY, Balance, Money, fits, usd
from shared.errors import Malformed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from shared.domain.documents import Budgets
    from shared.domain.post import Post
    from shared.domain.profiles import Profile
    from shared.domain.subjects import PostRef

type Scope = Literal["day", "profile", "post"]

SCOPES: Final[tuple[Scope, ...]] = ("day", "profile", "post")
_EVER: Final = "all"


class BudgetName(NamedTuple):
    """Which budget: its scope, whose it is, and for which time."""

    scope: Scope
    id: str
    period: str

    def __str__(self) -> str:
        return ".".join(self)

    def subject(self, tenant: str) -> str:
        """Where its balance stands in the log."""
        return f"budgets.{tenant}.{self}"


def day_budget(at: datetime) -> BudgetName:
    """The tenant's budget of one day (UTC)."""
    return BudgetName("day", _EVER, at.astimezone(UTC).date().isoformat())


def profile_budget(profile: UUID) -> BudgetName:
    return BudgetName("profile", str(profile), _EVER)


def post_budget(post: UUID) -> BudgetName:
    return BudgetName("post", str(post), _EVER)


def named(told: str) -> BudgetName:
    """The budget of this name. Raises `Malformed`."""
    words = told.split(".")
    for scope in SCOPES:
        if len(words) == len(BudgetName._fields) and words[0] == scope:
            return BudgetName(scope, words[1], words[2])
    raise Malformed("no budget has such a name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The budget a call does not fit, and by how much."""

    scope: Scope
    needed: Money
    left: Money
    cap: Money


def limits(
    ref: PostRef, post: Post, at: datetime, budgets: Budgets, profile: Profile | None
) -> dict[BudgetName, Money]:
    """The caps that hold for a call of this post at this time; a budget without one is no budget.

    The post's own cap stands in for the one of all posts.
    """
    config = post.config
    own = config.budget_usd if config else None
    caps: dict[BudgetName, float | None] = {day_budget(at): budgets.day_usd}
    if config is not None and config.profile_id is not None:
        caps[profile_budget(config.profile_id)] = profile.budget_usd if profile else None
    caps[post_budget(ref.id)] = budgets.post_usd if own is None else own
    return {name: usd(cap) for name, cap in caps.items() if cap is not None}


def refusal(
    caps: Mapping[BudgetName, Money], balances: Mapping[BudgetName, Balance], worst: Money
) -> Refusal | None:
    """Why a call of this worst case may not be made now: of several budgets the tightest."""
    tight = [
        Refusal(scope=name.scope, needed=worst, left=stands.left(cap), cap=cap)
        for name, cap in caps.items()
        if not fits(stands := balances.get(name, EMPTY), cap, worst)
    ]
    return min(tight, key=lambda each: each.left, default=None)


def waiting(scope: str, needed: float, left: float, cap: float | None) -> str:
    """Why a post waits for a budget, for people."""
    whose = _WHOSE.get(scope, f"budget of {scope}")
    if cap is None:
        return f"the next call may cost ${needed:.4f}, and the {whose} has ${left:.4f} left"
    if needed > cap:
        return (
            f"the next call may cost ${needed:.4f}, more than the whole {whose} of ${cap:.2f}; "
            "it can only go on once that is raised"
        )
    room = max(left, 0.0)
    left_of = f"${room:.4f} of the {whose} of ${cap:.2f} is left"
    return f"the next call may cost ${needed:.4f}, and {left_of}"


_WHOSE: Final = {
    "day": "budget of the day",
    "profile": "budget of its profile",
    "post": "budget of the post",
}
