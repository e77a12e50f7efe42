"""Nobody gets in without a key: asked for before a request's body or its route is looked at.

A key in an address ends up in logs and histories, so it is refused there, whether it is good or
not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.datastructures import Headers

from services.gateway.access.caller import CALLER, NOBODY
from services.gateway.access.refused import Forbidden, Unauthenticated
from services.gateway.access.roles import OPEN, least
from services.gateway.web.problems import BadRequest, answer
from shared.domain.keys import key_text
from shared.errors import GalleyError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from services.gateway.access.caller import Caller
    from services.gateway.access.keyring import Keyring

_SCHEME: Final = "bearer "
_MOST_PARAMETERS: Final = 100
_NAMES: Final = frozenset(
    {"key", "api_key", "api-key", "apikey", "access_token", "token", "authorization", "bearer"}
)


class Admission:
    def __init__(self, app: ASGIApp, keyring: Keyring, patience_s: float) -> None:
        self._app = app
        self._keyring = keyring
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope[CALLER] = await self._admitted(scope)
        except GalleyError as error:
            await answer(error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _admitted(self, scope: Scope) -> Caller:
        if scope["path"] in OPEN:
            return NOBODY
        _refuse_key_in(scope["query_string"])
        await self._keyring.awaited(self._patience_s)
        caller = self._keyring.caller(_said(Headers(scope=scope)))
        needed = least(scope["method"], scope["path"])
        if not caller.role.allows(needed):
            raise Forbidden(f"this needs the role {needed}, and the key has {caller.role}")
        return caller


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
