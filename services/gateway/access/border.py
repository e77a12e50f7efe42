"""What no browser may be talked into: asking under a foreign name, or from a foreign page.

A name that is not ours means that somebody's DNS points at us (rebinding), a foreign `Origin` that
somebody's page writes in our user's name. Every answer tells browsers to run, frame and keep
nothing.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from services.gateway.access.refused import Forbidden
from services.gateway.web.problems import answer, problem
from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PROBES: Final = frozenset({"/livez", "/readyz"})
"""A cluster asks for them by whatever address it has; they tell nothing."""
_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Border:
    """`hosts` are the names of this gateway besides those of its own machine."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(each.lower() for each in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = _guarded(send)
        headers = Headers(scope=scope)
        if scope["path"] not in _PROBES and not self._ours(headers.getlist("host")):
            await _misdirected()(scope, receive, guarded)
            return
        try:
            if scope["method"] not in READS:
                require_own_origin(headers)
        except GalleyError as error:
            await answer(error)(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _ours(self, said: list[str]) -> bool:
        if len(said) != 1:
            return False
        try:
            name = urlsplit(f"//{said[0]}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether this names this machine and no other."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def require_own_origin(headers: Headers, *, told: bool = False) -> None:
    """Raises `Forbidden` for a foreign page, and if it must be `told`, where nobody says which."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise Forbidden("a page from elsewhere may change nothing here")
    if site is not None and site not in ("same-origin", "none"):
        raise Forbidden("a page from elsewhere may change nothing here")
    if told and origin is None and site != "same-origin":
        raise Forbidden("who changes something under a session has to say `Origin`")


def _misdirected() -> ASGIApp:
    detail = "this gateway is not called so: its names are set with GALLEY_HOSTS"
    return problem(421, "misdirected", detail)


def _guarded(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            message["headers"] = headers.raw
        await send(message)

    return guarded
