"""Which problems a route may answer with, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from services.gateway.web.answers import Problem
from services.gateway.web.problems import MEDIA_TYPE

type Responses = dict[int | str, dict[str, Any]]


def _problems(**statuses: str) -> Responses:
    return {
        int(status.removeprefix("s")): {
            "description": meaning,
            "model": Problem,
            "content": {MEDIA_TYPE: {}},
        }
        for status, meaning in statuses.items()
    }


READ = _problems(
    s404="no such post",
    s409="beyond the end of the log",
    s422="invalid request",
    s503="not now; try again",
)
LISTED = _problems(
    s409="beyond the end of the log", s422="invalid request", s503="not now; try again"
)
WRITTEN = _problems(
    s400="not understood",
    s404="no such post",
    s409="not in this state",
    s413="too large",
    s415="not JSON",
    s422="invalid request",
    s503="not now; try again",
)
STREAMED = _problems(
    s400="no such id", s404="no such post", s422="invalid request", s503="not now; try again"
)
DOCUMENT_READ = _problems(
    s404="no such document", s422="invalid request", s500="unreadable", s503="not now; try again"
)
DOCUMENT_WRITTEN = _problems(
    s400="not understood",
    s404="no such document",
    s409="has changed meanwhile",
    s413="too large",
    s415="not JSON",
    s422="invalid request",
    s500="unreadable",
    s503="not now; try again",
)
