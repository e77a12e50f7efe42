"""Who may say what: one table from which the server's users and the readers' checks are both made.

Rights name events, never a whole stage: a stage may say that it completed, not that somebody
approved it. What a reader finds under a subject its producer has no right to is no fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from shared.domain.values import ORDER, Stage

STREAM: Final = "GALLEY"
BUCKET: Final = "MEDIA"
BUCKET_STREAM: Final = f"OBJ_{BUCKET}"

GATEWAY: Final = "gateway"
PROJECTOR: Final = "projector"
ERASER: Final = "eraser"
ADMIN: Final = "admin"

_API: Final = "$JS.API"
_READ: Final = (f"{_API}.DIRECT.GET.{STREAM}", f"{_API}.DIRECT.GET.{STREAM}.>")
_TAIL: Final = (
    f"{_API}.STREAM.INFO.{STREAM}",
    f"{_API}.CONSUMER.CREATE.{STREAM}.>",
    f"{_API}.CONSUMER.DELETE.{STREAM}.*",
    f"{_API}.CONSUMER.MSG.NEXT.{STREAM}.*",
)
_READ_MEDIA: Final = (f"{_API}.DIRECT.GET.{BUCKET_STREAM}",)
_WRITE_MEDIA: Final = (f"$O.{BUCKET}.>",)
_ERASE_MEDIA: Final = (
    *_WRITE_MEDIA,
    f"{_API}.STREAM.PURGE.{BUCKET_STREAM}",
)
_STAGE_EVENTS: Final = ("completed", "failed", "review", "deferred", "budget")
_GATE_EVENTS: Final = ("requested", "approved", "rejected", "edited", "expired", "discarded")
_POST_EVENTS: Final = (
    "created",
    "configured",
    "started",
    "paused",
    "resumed",
    "cancelled",
    "completed",
    "restarted",
    "forked",
    "deleted",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one user may do. `says`: subjects of the log; `asks`: what else it may publish to.

    Whoever is `apart` has an account of its own on the server.
    """

    user: str
    apart: bool = False
    says: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    hears: tuple[str, ...] = ()

    @property
    def publishes(self) -> tuple[str, ...]:
        return self.says + self.asks

    @property
    def subscribes(self) -> tuple[str, ...]:
        return (f"_INBOX_{self.user}.>", *self.hears)


def _flow(stage: str, *events: str) -> tuple[str, ...]:
    return tuple(f"posts.*.*.flow.{stage}.{event}.*" for event in events)


def _of_stage(stage: Stage) -> Rights:
    later = ORDER[ORDER.index(stage) + 1 :]
    onward = _flow(later[0], "requested") if later else _flow("post", "completed")
    return Rights(
        user=stage,
        apart=True,
        says=(
            *_flow(stage, *_STAGE_EVENTS),
            *onward,
            f"posts.*.*.call.{stage}.>",
            f"posts.*.*.log.{stage}.*",
            "budgets.>",
        ),
        asks=(
            f"live.*.*.{stage}",
            f"beats.{stage}.*",
            f"{_API}.CONSUMER.MSG.NEXT.{STREAM}.{stage}",
            f"$JS.ACK.{STREAM}.{stage}.>",
            *_READ,
            *(_READ_MEDIA + _WRITE_MEDIA if stage is Stage.IMAGES else ()),
        ),
    )


_OTHERS: Final = (
    Rights(
        user=GATEWAY,
        says=(
            *_flow("post", *_POST_EVENTS),
            *(right for stage in ORDER for right in _flow(stage, *_GATE_EVENTS)),
            "posts.*.*.call.*.*.*.*.ended",
            "posts.*.*.log.*.*",
            "posts.*.*.notice.*.*.started",
            "posts.*.*.notice.*.*.ended",
            "slugs.>",
            "docs.>",
            "budgets.>",
        ),
        asks=(
            *_READ,
            *_TAIL,
            *_READ_MEDIA,
            *_WRITE_MEDIA,
            f"beats.{GATEWAY}.*",
            *(f"{_API}.CONSUMER.INFO.{STREAM}.{stage}" for stage in ORDER),
        ),
        hears=("live.>", "beats.>"),
    ),
    Rights(user=PROJECTOR, asks=(*_READ, *_TAIL, f"beats.{PROJECTOR}.*")),
    Rights(
        user=ERASER,
        asks=(*_READ, *_READ_MEDIA, *_ERASE_MEDIA, f"{_API}.STREAM.PURGE.{STREAM}"),
    ),
    Rights(
        user=ADMIN,
        asks=(f"{_API}.>", "$JS.SNAPSHOT.ACK.>", "$JS.SNAPSHOT.RESTORE.>"),
    ),
)

RIGHTS: Final[dict[str, Rights]] = {
    rights.user: rights for rights in (*map(_of_stage, ORDER), *_OTHERS)
}
"""Every user by name: the six stages, gateway, projector, eraser, admin."""

USERS: Final = tuple(RIGHTS)


def producer_may(user: str, subject: str) -> bool:
    """Whether a message on this subject may come from this producer."""
    words = subject.split(".")
    for at in _COUNTED.get(words[3] if words[0] == "posts" and len(words) > 5 else "", ()):
        if at < len(words):
            words[at] = "*"
    return _may(user, tuple(words))


_COUNTED: Final = {
    "flow": (1, 2, 6),
    "call": (1, 2, 5, 6, 7),
    "notice": (1, 2, 4, 5),
    "log": (1, 2),
}
"""Words that differ from post to post; no right names them, so that the answers can be kept."""


@lru_cache(maxsize=4096)
def _may(user: str, words: tuple[str, ...]) -> bool:
    rights = RIGHTS.get(user)
    return rights is not None and any(_covers(right, words) for right in rights.says)


def _covers(right: str, words: tuple[str, ...]) -> bool:
    for at, word in enumerate(right.split(".")):
        if word == ">":
            return len(words) > at
        if at >= len(words) or word not in ("*", words[at]):
            return False
    return len(words) == right.count(".") + 1
