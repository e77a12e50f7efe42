"""What schemathesis has to be told that no document can say.

- Every well-formed Idempotency-Key is made a new one, for a used key answers 422 to another
  request; in return every write that succeeded is sent a second time and has to be answered alike.
- A key is told once, so making one is not tried a second time.
- Which cells a table may hold depends on its first row: text that was made up for a table becomes a
  topic in it.
- The coverage phase of 4.32 leaves an ill-typed If-Match in the requests that it calls valid.
"""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import schemathesis
from schemathesis.core.parameters import ParameterLocation

KEY = "Idempotency-Key"
WELL_FORMED = re.compile(r"[!-~]{1,255}")
MAKES_KEYS = "/api/keys"
VERSION = "If-Match"
VERSIONS = re.compile(r'\*|"[0-9]{1,10}"')
TABLE = "text/csv"
UNSPEAKABLE = re.compile(r"[^\w .,;\"'-]")
MOST = 400
SENT_AGAIN_WITHIN_S = 120


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    if case.headers:
        _new_key(case)
        _valid_version(case)
    if case.media_type == TABLE and isinstance(case.body, str) and _valid(case, "BODY"):
        topic = UNSPEAKABLE.sub(" ", case.body)[:MOST].strip().replace('"', '""')
        case.body = f'topic,niche\r\n"{topic or "A topic"}",\r\n'


@schemathesis.check
def a_repeated_write_is_answered_alike(ctx: Any, response: Any, case: Any) -> None:
    sent = response.request
    if not response.status_code < 300 or KEY not in sent.headers or MAKES_KEYS in str(sent.url):
        return
    again = httpx.request(
        sent.method,
        sent.url,
        headers=dict(sent.headers),
        content=sent.body,
        timeout=SENT_AGAIN_WITHIN_S,
    )
    assert again.status_code == response.status_code, again.text


def _new_key(case: Any) -> None:
    said = case.headers.get(KEY)
    if isinstance(said, str) and WELL_FORMED.fullmatch(said):
        case.headers[KEY] = uuid4().hex


def _valid_version(case: Any) -> None:
    said = case.headers.get(VERSION)
    if said is not None and _valid(case, "HEADER") and not VERSIONS.fullmatch(str(said)):
        case.headers[VERSION] = "*"


def _valid(case: Any, part: str) -> bool:
    """Whether this part of the request is meant to be as the document says."""
    place = ParameterLocation[part]
    found = case.meta.components.get(place) if case.meta else None
    return found is not None and found.mode.is_positive
