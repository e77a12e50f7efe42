"""Sends one notice over HTTP: bounded in time, past no proxy, along no redirect, to a checked
address."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx

from services.gateway.notices.addresses import permitted, resolve
from services.gateway.notices.undelivered import Undelivered
from shared.domain.notices import webhook_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from services.gateway.notices.addresses import Address, Resolve

DEADLINE_S = 10.0
_PORTS = {"http": 80, "https": 443}
_MOST_ADDRESSES = 4


class Sender:
    """`private` lets notices go to addresses inside the house."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        private: bool = False,
        resolve: Resolve = resolve,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._client = client
        self._private = private
        self._resolve = resolve
        self._deadline_s = deadline_s

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of a receiver that said yes. Raises `Undelivered`."""
        try:
            async with asyncio.timeout(self._deadline_s):
                status = await self._posted(_parsed(url), headers, body)
        except TimeoutError:
            raise Undelivered("timeout") from None
        if not httpx.codes.is_success(status):
            code = "redirected" if httpx.codes.is_redirect(status) else "refused"
            raise Undelivered(code, status)
        return status

    async def _posted(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> int:
        addresses = await self._addresses(url)
        for address in addresses[:-1]:
            try:
                return await self._to(address, url, headers, body)
            except Undelivered as lost:
                if lost.code != "unreachable":
                    raise
        return await self._to(addresses[-1], url, headers, body)

    async def _addresses(self, url: httpx.URL) -> Sequence[Address]:
        try:
            found = await self._resolve(url.raw_host.decode(), url.port or _PORTS[url.scheme])
        except (OSError, UnicodeError):
            raise Undelivered("no_such_host") from None
        encrypted = url.scheme == "https"
        return permitted(found, encrypted=encrypted, private=self._private)[:_MOST_ADDRESSES]

    async def _to(
        self, address: Address, url: httpx.URL, headers: Mapping[str, str], body: bytes
    ) -> int:
        """Ask exactly this address, in the name of the host; the answer's body is not read."""
        host = url.netloc.decode()
        request = self._client.build_request(
            "POST",
            url.copy_with(host=str(address)),
            headers={**headers, "Host": host},
            content=body,
            extensions={"sni_hostname": url.raw_host.decode()},
        )
        try:
            answer = await self._client.send(request, stream=True)
            await answer.aclose()
        except httpx.HTTPError as error:
            raise Undelivered(_code(error)) from None
        return answer.status_code


def _parsed(url: str) -> httpx.URL:
    try:
        return httpx.URL(webhook_url(url))
    except (httpx.InvalidURL, ValueError):
        raise Undelivered("forbidden_url") from None


def _code(error: httpx.HTTPError) -> str:
    match error:
        case httpx.TimeoutException():
            return "timeout"
        case httpx.ConnectError():
            return "untrusted" if _of_tls(error) else "unreachable"
        case _:
            return "broken_off"


def _of_tls(error: BaseException | None) -> bool:
    """Somewhere below lies a failure to agree on encryption."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


@asynccontextmanager
async def open_sender(
    *, private: bool = False, deadline_s: float = DEADLINE_S
) -> AsyncIterator[Sender]:
    """A sender of its own: each notice has its own connection, and no proxy sees it."""
    async with httpx.AsyncClient(
        verify=httpx.create_ssl_context(),
        trust_env=False,
        follow_redirects=False,
        timeout=deadline_s,
        limits=httpx.Limits(max_keepalive_connections=0),
        headers={"User-Agent": "Galley"},
    ) as client:
        yield Sender(client, private=private, deadline_s=deadline_s)
