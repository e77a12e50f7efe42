"""If-Match and ETag: a change is decided only on the very version that the client has seen.

A post's entity tag is its version, the number of its flow facts. Tags are compared strongly, so a
weak one never matches; a client that wants none of this leaves the header out or sends `*`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Header

from services.gateway.web.problems import BadRequest
from shared.errors import Rejected

if TYPE_CHECKING:
    from shared.domain.post import Post

_TAG = r'(?:W/)?"[\x21\x23-\x7e]*"'
_TAGS = rf"{_TAG}(?:[ \t]*,[ \t]*{_TAG})*"
_HEADER = re.compile(rf"\*|{_TAGS}")
_VERSION = re.compile(r'(?<!/)"([0-9]{1,10})"')
_LONGEST = 1_000


class Stale(Rejected):
    """The post is not as the client has seen it."""

    def __init__(self) -> None:
        super().__init__("the post has changed since the version this request names")


@dataclass(frozen=True, slots=True)
class Expected:
    """The versions a client accepts; None stands for any."""

    versions: frozenset[int] | None = None

    def require(self, post: Post) -> None:
        """Raises `Stale`."""
        if self.versions is not None and post.n not in self.versions:
            raise Stale


def etag(version: int) -> str:
    """The entity tag of a post at a version."""
    return f'"{version}"'


def expected(header: str) -> Expected:
    """What an If-Match header asks for. Raises `BadRequest` for what is none."""
    said = header.strip(" \t")
    if len(said) > _LONGEST or not _HEADER.fullmatch(said):
        raise BadRequest('If-Match has to be `*` or quoted versions, as in "12"')
    if said == "*":
        return Expected()
    return Expected(frozenset(int(version) for version in _VERSION.findall(said)))


async def _if_match(
    header: Annotated[
        str | None,
        Header(
            alias="If-Match",
            description="Change the post only if its ETag is one of these; else 409.",
            json_schema_extra={"pattern": r'^(?:[*]|"[0-9]{1,10}")$'},
            examples=['"12"'],
        ),
    ] = None,
) -> Expected | None:
    return None if header is None else expected(header)


type IfMatch = Annotated[Expected | None, Depends(_if_match)]
