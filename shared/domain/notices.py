"""What the outside is told of a post, and when it is tried again: pure, so that all agree.

Three things are told: a review waits, a stage failed and is parked, the pipeline is complete. A
failed attempt is followed by another after a pause that grows; after the last one it is given up.
"""

from __future__ import annotations

import re
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, get_args
from urllib.parse import urlsplit
from uuid import uuid5

from shared.domain.events import PipelineCompleted, ReviewRequested, StageFailed
from shared.domain.values import NoticeEvent

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from shared.domain.events import Fact

EVENTS: tuple[NoticeEvent, ...] = get_args(NoticeEvent.__value__)
"""Everything the outside can be told."""

PAUSES_S = (10, 60, 600, 3_600, 21_600)
"""How long after each failed attempt the next one is due; after one more it is given up."""

AMBIGUOUS_AFTER_S = 60
"""An attempt that began so long ago and has not ended is taken for lost, and sent again."""


def told_as(fact: Fact) -> NoticeEvent | None:
    """The name under which the outside is told of this fact; None when it is not told."""
    match fact:
        case ReviewRequested():
            return "review"
        case StageFailed(parked=True):
            return "failed"
        case PipelineCompleted():
            return "complete"
        case _:
            return None


def next_due(attempt: int, ended: datetime) -> datetime | None:
    """When the attempt after this failed one is due; None when it was the last."""
    if attempt > len(PAUSES_S):
        return None
    return ended + timedelta(seconds=PAUSES_S[attempt - 1])


def lost_at(started: datetime) -> datetime:
    """From when on an attempt that has not ended is taken for lost."""
    return started + timedelta(seconds=AMBIGUOUS_AFTER_S)


def delivery_of(post_id: UUID, told: int) -> UUID:
    """Names what is told, the same in every attempt, so that a receiver can drop repeats."""
    return uuid5(post_id, str(told))


_NO_HOST = "names no host and port that could be reached"
_PLAIN = re.compile(r"[!-~]{1,2000}")


def webhook_url(url: str) -> str:
    """An address notices may go to, as far as its spelling tells; whoever sends looks at where it
    leads. Raises `ValueError`, in words that do not repeat the address."""
    if not _PLAIN.fullmatch(url) or "\\" in url:
        raise ValueError("holds blanks or other characters that no address has, or is too long")
    try:
        parts = urlsplit(url)
        reachable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(_NO_HOST) from None
    if not reachable:
        raise ValueError(_NO_HOST)
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("may name no user, password or fragment")
    local = parts.scheme == "http" and on_loopback(parts.hostname or "")
    if parts.scheme != "https" and not local:
        raise ValueError("has to begin with https://, or http:// on this machine itself")
    return url


def on_loopback(host: str) -> bool:
    """This host is, by its very name, the machine itself."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    # Python before 3.13 does not look into an IPv4 address in the clothes of IPv6.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
