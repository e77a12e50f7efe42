"""Why a request was not carried out: a rule forbids it, others were faster, there is no room."""

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


class Busy(GalleyError):
    """As much of this is being done as there is room for."""

    def __init__(self) -> None:
        super().__init__("too many pictures are being worked on just now; try again")


class Contended(GalleyError):
    """Others wrote first every time, so nothing was decided."""

    def __init__(self) -> None:
        super().__init__("the post is being changed by others just now; try again")
