"""Sessions: what a browser shows instead of a key, and the links that begin one.

A session stands beside the key it was made with, and ends with it. Like a key, its secret is
random, and only the digest is kept.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import ConfigDict, ValidationError

from shared.domain.values import Value
from shared.errors import Malformed

if TYPE_CHECKING:
    from shared.domain.documents import Version

SESSION_LASTS: Final = timedelta(hours=12)
LINK_LASTS: Final = timedelta(minutes=15)


class Session(Value):
    """`key` is the id of the API key it stands for. A `link` is no session yet: who follows it in
    time gets one, once."""

    model_config = ConfigDict(extra="ignore")

    key: str
    digest: str
    created: datetime
    expires: datetime
    link: bool = False
    ended: datetime | None = None

    def lives(self, now: datetime) -> bool:
        return self.ended is None and now < self.expires


def session_in(version: Version | None) -> Session | None:
    """The session a version holds. Raises `Malformed`."""
    content = version.document.content if version else None
    if content is None:
        return None
    try:
        return Session.model_validate(content)
    except ValidationError as error:
        raise Malformed("a session's document holds no session") from error
