"""Nobody gets in without a key: asked for before a request's body or its route is looked at.

A key in an address ends up in logs and histories, so it is refused there, whether it is good or
not.
"""

from __future__ import annotations

from contextlib import nullcontext
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from services.gateway.access.border import READS, require_own_origin
from services.gateway.access.caller import CALLER, COOKIE, NOBODY
from services.gateway.access.limits import TooMany
from services.gateway.access.refused import Forbidden, KeysUnknown, Unauthenticated
from services.gateway.access.roles import ENTRANCE, OPEN, WELCOME, least
from services.gateway.web.problems import BadRequest, answer
from shared.domain.keys import key_text

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from services.gateway.access.caller import Caller
    from services.gateway.access.keyring import Keyring
    from services.gateway.access.limits import Limits

_SCHEME: Final = "bearer "
_MOST_PARAMETERS: Final = 100
_NAMES: Final = frozenset(
    {"key", "api_key", "api-key", "apikey", "access_token", "token", "authorization", "bearer"}
)


class Admission:
    def __init__(self, app: ASGIApp, keyring: Keyring, limits: Limits, patience_s: float) -> None:
        self._app = app
        self._keyring = keyring
        self._limits = limits
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            caller = scope[CALLER] = await self._admitted(scope)
            with self._limits.stream(caller.id) if _is_stream(scope) else nullcontext():
                await self._app(scope, receive, send)
        except (Unauthenticated, Forbidden, KeysUnknown, BadRequest, TooMany) as error:
            await answer(error)(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Caller:
        path = scope["path"]
        if path in OPEN or path.startswith(ENTRANCE):
            return NOBODY
        _refuse_key_in(scope["query_string"])
        await self._keyring.awaited(self._patience_s)
        try:
            caller = self._caller(Headers(scope=scope), scope["method"])
        except Unauthenticated:
            self._limits.failed(_address(scope))
            if path == WELCOME:
                return NOBODY
            raise
        self._limits.asked(caller.id)
        needed = least(scope["method"], path)
        if not caller.role.allows(needed):
            raise Forbidden(f"this needs the role {needed}, and the key has {caller.role}")
        return caller

    def _caller(self, headers: Headers, method: str) -> Caller:
        """A key that is shown counts before a session."""
        session = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        if session is None or "authorization" in headers:
            return self._keyring.caller(_said(headers))
        caller = self._keyring.in_session(session)
        if method not in READS:
            require_own_origin(headers, told=True)
        return caller


def _is_stream(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "GET" and path.startswith("/api/events")


def _address(scope: Scope) -> str:
    """Who asks, as far as the network knows; of IPv6 the network, since anybody has many."""
    host = (scope.get("client") or ("",))[0]
    try:
        address = ip_address(host)
    except ValueError:
        return str(host)
    return str(ip_network((address, 64), strict=False)) if address.version == 6 else host


def _said(headers: Headers) -> str:
    """The key a request was sent with. Raises `Unauthenticated`."""
    said = headers.getlist("authorization")
    if not said:
        raise Unauthenticated("a key is needed: send it as the header `Authorization: Bearer KEY`")
    if len(said) > 1 or not said[0].lower().startswith(_SCHEME):
        raise Unauthenticated("one key is needed, as the header `Authorization: Bearer KEY`")
    return said[0][len(_SCHEME) :].strip()


def _refuse_key_in(query: bytes) -> None:
    """Raises `BadRequest` for a key in the address, without saying which."""
    try:
        said = parse_qsl(
            query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS
        )
    except ValueError:
        raise BadRequest("the address has too many parameters") from None
    if any(name.lower() in _NAMES or key_text(value.strip()) for name, value in said):
        raise BadRequest(
            "a key does not belong into an address, where logs keep it: send it as the header"
            " `Authorization: Bearer KEY`, and if it was a real one, revoke it"
        )
