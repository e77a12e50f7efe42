"""Why a command was not carried out: a rule forbids it, or others were faster every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import GalleyError

if TYPE_CHECKING:
    from shared.domain.post import Post
    from shared.errors import Rejected


class Refused(GalleyError):
    """A rule forbids the command in the state it found."""

    def __init__(self, reason: Rejected, post: Post) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.post = post


class Contended(GalleyError):
    """Others wrote first every time, so nothing was decided."""

    def __init__(self) -> None:
        super().__init__("the post is being changed by others just now; try again")
