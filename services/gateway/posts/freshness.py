"""If-None-Match: a client that has a post as it is gets 304 and no body.

The entity tag counts flow facts, and lines of progress are none: so 304 is answered only while
nothing is being worked on or paid for. A malformed header names nothing that we have.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from fastapi import Header

if TYPE_CHECKING:
    from services.gateway.posts.present import View
    from services.gateway.web.documented import Responses

_LONGEST = 1_000
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e]*")')

UNCHANGED: Responses = {304: {"description": "the client has it as it is"}}

type IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=_LONGEST,
        description="ETags the client has; the post is sent only if it is none of these.",
    ),
]


def known(header: str | None, version: str) -> bool:
    """The client has this version; weak tags count as well."""
    if header is None:
        return False
    return header.strip() == "*" or version in _TAG.findall(header)


def settled(view: View) -> bool:
    """Nothing can be added to the post but by a flow fact."""
    return view.post.active is None and all(call.outcome != "started" for call in view.calls)
