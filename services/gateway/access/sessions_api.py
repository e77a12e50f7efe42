"""A browser shows its key once and gets a cookie for it; a link from the terminal does the same.

The cookie is no script's to read, goes to no other site's requests, and ends with its key.
"""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.gateway.access.border import is_loopback
from services.gateway.access.caller import COOKIE
from services.gateway.access.limits import TooMany
from services.gateway.access.refused import Forbidden
from services.gateway.access.sessions import Begun
from services.gateway.context import Gateway, Wired
from services.gateway.web.answers import Answer
from services.gateway.web.documented import DOCUMENT_WRITTEN, LISTED
from services.gateway.web.problems import Missing
from shared.domain.documents import Document, Standing, Version, session_ref
from shared.domain.keys import ID_CHARACTERS, SECRET_BYTES, KeyText, Role, key_text
from shared.domain.sessions import LINK_LASTS, SESSION_LASTS, Session
from shared.errors import Conflict, Unconfirmed

if TYPE_CHECKING:
    from shared.domain.documents import DocRef

router = APIRouter(tags=["session"])

_MOST = 100
"""So many sessions and open links a key may have at a time."""


class SessionRead(Answer):
    """Who asks, and what they may do."""

    tenant: str
    name: str
    role: Role


class LinkRead(Answer):
    """Where a browser gets its session, once and in time."""

    path: str
    expires: datetime


@router.get("/api/session", responses=LISTED)
async def read_session(gateway: Wired) -> SessionRead:
    """Who asks."""
    return _who(gateway)


@router.post("/api/session", status_code=201, responses=DOCUMENT_WRITTEN)
async def begin_session(gateway: Wired, request: Request, response: Response) -> SessionRead:
    """Exchange the key for a cookie that lasts for twelve hours."""
    text = _new_text(gateway)
    await _begin(gateway, text, link=False)
    _hand_out(response, request, text)
    return _who(gateway)


@router.post("/api/session/links", status_code=201, responses=DOCUMENT_WRITTEN)
async def make_link(gateway: Wired) -> LinkRead:
    """A link that begins a session of this key: once, and within fifteen minutes."""
    text = _new_text(gateway)
    begun = await _begin(gateway, text, link=True)
    return LinkRead(path=f"/enter/{text}", expires=begun.session.expires)


@router.delete("/api/session", status_code=204, responses=DOCUMENT_WRITTEN)
async def end_session(gateway: Wired, response: Response) -> None:
    """End the session that this is asked under; without one there is nothing to end."""
    caller = gateway.caller
    begun = gateway.keyring.sessions.of(caller.tenant, caller.session)
    if begun is not None:
        ended = begun.session.model_copy(update={"ended": gateway.clock()})
        await _write(gateway, begun.ref, ended, begun.seq)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


@router.get("/enter/{token}", include_in_schema=False)
async def enter(gateway: Wired, token: str, request: Request) -> Response:
    """Follow a link: its session begins, and it leads nowhere any more."""
    begun = gateway.keyring.link(token)
    given = key_text(token)
    if begun is None or given is None:
        raise Missing("this link was used, or its time is over: make another")
    text = KeyText(given.tenant, given.id, secrets.token_hex(SECRET_BYTES))
    now = gateway.clock()
    session = begun.session.model_copy(
        update={"digest": text.digest, "link": False, "expires": now + SESSION_LASTS}
    )
    try:
        await _write(gateway, begun.ref, session, begun.seq)
    except Conflict as conflict:
        if isinstance(conflict, Unconfirmed):
            raise
        raise Missing("this link was used, or its time is over: make another") from None
    answer = RedirectResponse("/", status_code=303)
    _hand_out(answer, request, text)
    return answer


def _who(gateway: Gateway) -> SessionRead:
    caller = gateway.caller
    return SessionRead(tenant=caller.tenant, name=caller.name, role=caller.role)


def _new_text(gateway: Gateway) -> KeyText:
    """Raises `Forbidden` under a session: it would outlive itself; `TooMany`."""
    caller = gateway.caller
    if caller.session:
        raise Forbidden("a session begins no other one: show the key")
    if gateway.keyring.sessions.live(caller.tenant, caller.id, gateway.clock()) >= _MOST:
        raise TooMany("sessions of this key", 60)
    identity = secrets.token_hex(ID_CHARACTERS // 2)
    return KeyText(caller.tenant, identity, secrets.token_hex(SECRET_BYTES))


async def _begin(gateway: Gateway, text: KeyText, *, link: bool) -> Begun:
    now = gateway.clock()
    session = Session(
        key=gateway.caller.id,
        digest=text.digest,
        created=now,
        expires=now + (LINK_LASTS if link else SESSION_LASTS),
        link=link,
    )
    return await _write(gateway, session_ref(text.tenant, text.id), session, 0)


async def _write(gateway: Gateway, ref: DocRef, session: Session, after: int) -> Begun:
    content = session.model_dump(mode="json")
    document = Document(actor=gateway.actor, at=gateway.clock(), content=content)
    seq = await gateway.documents.write(ref, document, after)
    gateway.keyring.take(Standing(ref, Version(ref, seq, document)))
    return Begun(ref, seq, session)


def _hand_out(response: Response, request: Request, text: KeyText) -> None:
    response.set_cookie(
        COOKIE,
        str(text),
        max_age=int(SESSION_LASTS.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=not is_loopback(request.url.hostname or ""),
    )
