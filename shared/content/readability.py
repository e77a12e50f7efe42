"""Flesch reading ease of English prose, from pyphen's syllables and our own sentence count."""

from __future__ import annotations

from functools import cache

import pyphen

_ENGLISH_SHARE = 0.9


@cache
def _hyphenation() -> pyphen.Pyphen:
    return pyphen.Pyphen(lang="en_US")


def flesch(words: tuple[str, ...], sentences: int) -> float | None:
    """Higher is easier, 60 to 70 is plain English. None where the formula says nothing.

    That is text without words, or mostly not in Latin letters.
    """
    if not words or not _is_latin(words):
        return None
    syllables = sum(_syllables(word) for word in words)
    per_sentence = len(words) / max(1, sentences)
    return round(206.835 - 1.015 * per_sentence - 84.6 * syllables / len(words), 1)


def _is_latin(words: tuple[str, ...]) -> bool:
    latin = sum(word[:1].isascii() for word in words)
    return latin >= len(words) * _ENGLISH_SHARE


def _syllables(word: str) -> int:
    # A hyphenation dictionary knows no one-letter first syllables ("a-ble"); the bias is small.
    return len(_hyphenation().positions(word[:60].lower())) + 1
