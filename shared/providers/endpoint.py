"""Where a provider is reached and with which key: refused at the start when it cannot work.

A key that no HTTP header can carry would otherwise surface in an error message, in the log.
"""

from __future__ import annotations

import string
from urllib.parse import urlsplit

from shared.errors import Misconfigured

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
