"""Every failure as RFC 9457 problem+json: bounded, in words, and never repeating the input.

An unexpected error becomes a 500 with an id that stands in our log beside the traceback.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from services.gateway.access.limits import TooMany
from services.gateway.access.refused import (
    Forbidden,
    KeysUnknown,
    LastAdmin,
    MadeBefore,
    NameTaken,
    Unauthenticated,
)
from services.gateway.posts.present import review
from services.gateway.rows import ReadModelAway
from services.gateway.web import ids
from services.gateway.web.answers import FieldProblem, Problem
from services.gateway.web.refusals import Busy, Contended, Refused
from shared.domain.status import current_stage
from shared.errors import (
    CommandReused,
    GalleyError,
    LogError,
    Malformed,
    NewerVersion,
    NoSuchPost,
    NoSuchProfile,
    SlugTaken,
    StaleVersion,
    TooLarge,
    TooNew,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI, Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
_MOST_ERRORS = 20
_MOST_CHARACTERS = 80
_UNSAFE = re.compile(r"[^\w .\[\]-]")
_AGAIN = {"Retry-After": "1"}
_UPGRADED = {"Retry-After": "30"}
"""The next look is worth it when newer code has been started."""
WITH_A_KEY = {"WWW-Authenticate": 'Bearer realm="galley"'}


class Unusable(GalleyError):
    """What was sent is well-formed, but cannot be used; the message says why."""


class NotYet(GalleyError):
    """The answer would be older than the client asked for."""

    def __init__(self, wanted: int) -> None:
        super().__init__(f"sequence {wanted} has not been reached yet; try again")


class Contradictory(GalleyError):
    """The parts of a request do not go together."""


class WrongMethod(GalleyError):
    """Nothing at this address answers to this method."""

    def __init__(self, allowed: str) -> None:
        super().__init__(HTTPStatus.METHOD_NOT_ALLOWED.phrase)
        self.allowed = allowed


class BeyondLog(GalleyError):
    """The client names a sequence that this log has never given out."""

    def __init__(self, wanted: int) -> None:
        super().__init__(f"sequence {wanted} lies beyond the end of this log")


class NoSigningSecret(GalleyError):
    """This gateway has nothing to sign a notice with."""

    def __init__(self) -> None:
        super().__init__(
            "a webhook needs a secret to sign with: set GALLEY_WEBHOOK_SECRET in the gateway's"
            " environment, start it again, then name the address"
        )


class BadRequest(GalleyError):
    """The request cannot be understood."""


class Missing(GalleyError):
    """There is nothing at this address."""


def problem(
    status: int,
    code: str,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,  # noqa: ANN401  the fields of Problem
) -> JSONResponse:
    told = Problem(
        type=f"urn:galley:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        **more,
    )
    body = told.model_dump(mode="json", exclude_none=True)
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Answer every deliberate error, and every refusal of the framework, in this one shape."""
    app.add_exception_handler(GalleyError, _galley)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _galley(_request: Request, error: Exception) -> JSONResponse:
    return answer(error)


def answer(error: Exception) -> JSONResponse:
    """The problem that an error is told as."""
    if isinstance(error, Refused):
        return _refused(error)
    if isinstance(error, WrongMethod):
        return problem(405, "method-not-allowed", str(error), {"Allow": error.allowed})
    if isinstance(error, TooMany):
        return problem(429, "too-many", str(error), {"Retry-After": str(error.after)})
    if isinstance(error, StaleVersion):
        return problem(409, "stale", str(error), version=error.version)
    if isinstance(error, NewerVersion):
        return problem(409, "newer-version", str(error), version=error.version)
    for kind, status, code, headers in _KNOWN:
        if isinstance(error, kind):
            return problem(status, code, str(error), headers)
    return unexpected(error)


_KNOWN: Sequence[tuple[type[GalleyError], int, str, Mapping[str, str] | None]] = (
    (NoSuchPost, 404, "no-such-post", None),
    (NoSuchProfile, 404, "no-such-profile", None),
    (Missing, 404, "not-found", None),
    (Unauthenticated, 401, "unauthenticated", WITH_A_KEY),
    (Forbidden, 403, "forbidden", None),
    (KeysUnknown, 503, "keys-unknown", _AGAIN),
    (NameTaken, 409, "name-taken", None),
    (MadeBefore, 409, "made-before", None),
    (LastAdmin, 409, "last-admin", None),
    (BadRequest, 400, "bad-request", None),
    (CommandReused, 422, "idempotency-key-reused", None),
    (Unusable, 422, "unusable", None),
    (Busy, 503, "busy", _AGAIN),
    (Contended, 503, "contended", _AGAIN),
    (Contradictory, 409, "contradictory", None),
    (BeyondLog, 409, "beyond-log", None),
    (NoSigningSecret, 409, "no-signing-secret", None),
    (NotYet, 503, "not-yet", _AGAIN),
    (ReadModelAway, 503, "read-model-away", _AGAIN),
    (TooLarge, 413, "too-large", None),
    (Malformed, 500, "malformed", None),
    (TooNew, 503, "too-new", _UPGRADED),
    (LogError, 503, "log-unavailable", _AGAIN),
)


def _refused(refused: Refused) -> JSONResponse:
    reason, post = refused.reason, refused.post
    if isinstance(reason, NoSuchPost):
        return problem(404, "no-such-post", str(reason))
    if isinstance(reason, SlugTaken):
        return problem(409, "slug-taken", str(reason))
    return problem(
        409,
        _code(type(reason).__name__),
        str(reason),
        current_stage=current_stage(post),
        review=review(post.review),
        seq=post.last,
        version=post.n,
        headers={"ETag": f'"{post.n}"'},
    )


def _code(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


async def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return unexpected(error)
    status, phrase = error.status_code, HTTPStatus(error.status_code).phrase
    headers = _allowed(request) if status == HTTPStatus.METHOD_NOT_ALLOWED else error.headers
    return problem(status, phrase.lower().replace(" ", "-"), phrase, headers)


def _allowed(request: Request) -> dict[str, str]:
    """Every method of this address; the framework knows only those of its first route."""
    routes = request.app.router.routes

    def known(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in routes)

    return {"Allow": ", ".join(filter(known, ("GET", "POST", "PUT", "PATCH", "DELETE")))}


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    errors = [
        FieldProblem(field=where(each["loc"]), problem=str(each["msg"])[:200])
        for each in found[:_MOST_ERRORS]
    ]
    return problem(422, "invalid", f"{len(found)} of the values sent are not valid", errors=errors)


def where(place: Sequence[str | int]) -> str:
    """A field's name, also one the client made up: short, and no characters of power."""
    parts = (_UNSAFE.sub("?", str(part))[:_MOST_CHARACTERS] for part in place[:8])
    return ".".join(parts)


def unexpected(error: BaseException) -> JSONResponse:
    """A defect of ours, told by an id."""
    name = ids.problem_id()
    log.error("gateway.unexpected", id=name, exc_info=error)
    return problem(500, "unexpected", "something went wrong here; the id names it", id=name)


class Unexpected:
    """ASGI middleware: what nobody else caught is logged and answered; the connection survives."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except (Exception, asyncio.CancelledError) as error:
            if _ended():
                raise
            answer = unexpected(error)
            if started:
                raise
            await answer(scope, receive, send)


def _ended() -> bool:
    """This very request is being ended. Otherwise a cancellation is that of something it awaited,
    a defect like any other."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
