"""What is measured and cleaned about texts: storable characters, digest, words."""

from __future__ import annotations

from hashlib import sha256


def clean(text: str) -> str:
    """The text without what no store of ours holds: NUL and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def digest(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, as hex."""
    return sha256(text.encode()).hexdigest()


def words(text: str) -> int:
    """Words as people count them: runs of anything but white space."""
    return len(text.split())
