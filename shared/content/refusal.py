"""Whether a model declined instead of answering; what an article quotes is no refusal."""

from __future__ import annotations

import re

_SELF = r"\b(?:i['\u2019]?m|i am)"
_CANNOT = r"(?:cannot|can['\u2019]?t|can not|am unable to|am not able to|won['\u2019]?t|will not)"
_ACT = r"(?:create|write|help|provide|assist|produce|generate|complete|fulfill?|do that|comply)"
_REFUSES = re.compile(
    rf"{_SELF} (?:perplexity|claude|an ai|a language model|a search assistant|sorry)\b"
    rf"|\bas an ai\b|\bi {_CANNOT} {_ACT}|{_SELF} (?:unable|not able) to\b",
    re.IGNORECASE,
)
_HEAD = 600


def refuses(answer: str) -> bool:
    """Whether the answer begins by declining. A heading before that makes it a document."""
    head = answer.lstrip()[:_HEAD]
    if head.startswith("#"):
        return False
    return bool(_REFUSES.search(head))
