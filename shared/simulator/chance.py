"""Choices that follow from the seed alone: the same seed chooses the same on every machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Chance:
    """A stream of numbers derived from SHA-256 of the seed."""

    def __init__(self, *seed: str) -> None:
        self._seed = hashlib.sha256("\x1f".join(seed).encode()).digest()
        self._drawn = 0

    @property
    def hex(self) -> str:
        """The seed as 64 hexadecimal digits, for identifiers."""
        return self._seed.hex()

    def below(self, bound: int) -> int:
        """The next number, at least 0 and less than `bound`."""
        self._drawn += 1
        drawn = hashlib.sha256(self._seed + self._drawn.to_bytes(8)).digest()
        return int.from_bytes(drawn[:8]) % bound

    def between(self, low: int, high: int) -> int:
        """The next number from `low` to `high`, both possible."""
        return low + self.below(high - low + 1)

    def pick[T](self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def shuffled[T](self, options: Sequence[T]) -> list[T]:
        """All the options in another order."""
        rest = list(options)
        return [rest.pop(self.below(len(rest))) for _ in options]
