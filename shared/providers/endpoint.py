"""Addresses: where a provider is reached, and which pages it may name as its sources.

What cannot work is refused at the start. A key that no HTTP header can carry would otherwise
surface in an error message, in the log.
"""

from __future__ import annotations

import string
from urllib.parse import urlsplit

from shared.errors import Misconfigured

LONGEST = 2_000
SENDABLE = frozenset(string.ascii_letters + string.digits + string.punctuation)


def require_usable(provider: str, api_key: str, base_url: str) -> None:
    """Raise `Misconfigured`, never showing the key."""
    if not api_key:
        raise Misconfigured(f"no API key is set for {provider}")
    if not SENDABLE.issuperset(api_key):
        raise Misconfigured(
            f"the API key for {provider} holds blanks or characters that no HTTP header can carry:"
            " was it copied whole, without a line break?"
        )
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Misconfigured(f"the address of {provider} is no http(s) URL: {base_url!r}")


def is_address(url: str) -> bool:
    """A page of the web that may be shown as a link: it cannot run, forge a line or carry a
    password."""
    if len(url) > LONGEST or not url.isprintable() or any(map(str.isspace, url)):
        return False
    try:
        parts = urlsplit(url)
        named = parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        return False
    return bool(named) and parts.scheme in {"http", "https"}
