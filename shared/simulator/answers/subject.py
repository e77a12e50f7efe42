"""Turns a topic as people write it into phrases that fit into a sentence."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HOW_TO = re.compile(
    r"(?:the\s+)?(?:\w+\s+guide\s+to\s+)?how\s+(?:to|do\s+i|can\s+i)\s+", re.IGNORECASE
)
_LEAD = re.compile(
    r"(?:(?:the|a)\s+)?(?:(?:complete|ultimate|practical|beginner'?s)\s+)?"
    r"(?:guide\s+to|introduction\s+to|what\s+(?:is|are)|\d+\s+(?:tips|ways)\s+(?:for|to))\s+",
    re.IGNORECASE,
)
_SMALL = frozenset(
    [
        "a",
        "an",
        "and",
        "as",
        "at",
        "but",
        "by",
        "for",
        "from",
        "in",
        "into",
        "of",
        "on",
        "or",
        "the",
        "to",
        "with",
        "your",
    ]
)
_DOUBLED = re.compile(r"[^aeiou]*[aeiou][bdgklmnprt]")


@dataclass(frozen=True, slots=True)
class Subject:
    """`doing` fits after a preposition ("training a puppy"), `title` on top of an article."""

    title: str
    doing: str
    words: tuple[str, ...]


def subject(topic: str) -> Subject:
    """Read a topic such as "How to Train a Puppy" or "espresso machines"."""
    plain = " ".join(re.sub(r"[\[\]<>|]", " ", topic).split()).rstrip("?!. ")
    if match := _HOW_TO.match(plain):
        doing = _gerund(_lowered(plain[match.end() :]))
    else:
        lead = _LEAD.match(plain)
        doing = _lowered(plain[lead.end() :] if lead else plain)
    doing = doing or plain or "the subject"
    kept = tuple(w for w in re.findall(r"\w+", doing.lower()) if w not in _SMALL)
    return Subject(_title(plain or doing), doing, kept or ("subject",))


def _lowered(phrase: str) -> str:
    """Title Case becomes running text; names in capitals or with inner capitals stay."""
    words = phrase.split()
    titled = sum(word[:1].isupper() for word in words) > len(words) / 2
    if not titled:
        return phrase
    return " ".join(
        word.lower() if word[1:].islower() or len(word) == 1 else word for word in words
    )


def _gerund(phrase: str) -> str:
    verb, _, rest = phrase.partition(" ")
    if not verb.isalpha():
        return phrase
    if verb.endswith("ie"):
        stem = verb[:-2] + "y"
    elif verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and len(verb) > 2:
        stem = verb[:-1]
    else:
        stem = verb + verb[-1] if _DOUBLED.fullmatch(verb) else verb
    return f"{stem}ing {rest}".strip()


def _title(phrase: str) -> str:
    words = phrase.split()
    return " ".join(
        word if (word in _SMALL and at) or not word[:1].islower() else word[:1].upper() + word[1:]
        for at, word in enumerate(words)
    )
