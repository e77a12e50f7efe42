"""What a model says about a document, before and after it, is taken off; the document stays.

Every pattern needs a sign that the sentence speaks *about the document*: an article may well begin
with "Sure" or end with a note.
"""

from __future__ import annotations

import re

from shared.content.wrappers import is_heading

_DOCUMENT = (
    r"\b(?:articles?|blog[ ]posts?|posts?|drafts?|outlines?|research|documents?|manifest|files?"
    r"|versions?|markdown|edits?|sections?|word[ ]count|content)\b"
)
_ASSENT = r"(?:(?:sure|certainly|of course|absolutely|okay|ok|understood|got it|great)[,.!:]*\s+)?"
_PRESENTS = re.compile(
    rf"{_ASSENT}(?:here(?:['\u2019]s| is| are)|below is|i(?:['\u2019](?:ve|ll|m)| have| will| am)"
    r"|let me|this is|the following is)\b",
    re.IGNORECASE,
)
_ASSENTS = re.compile(
    r"(?:sure|certainly|of course|absolutely|okay|ok|understood|got it|great|happy to)\b",
    re.IGNORECASE,
)
_SPEAKS_OF_DOCUMENT = re.compile(_DOCUMENT, re.IGNORECASE)
_PROMISES = re.compile(
    r":$|\b(?:now|below|as requested|as asked|you asked|you requested|required files"
    r"|following your|as instructed|per your|write the)\b",
    re.IGNORECASE,
)
_SIGNS_OFF = re.compile(
    rf"""let\ me\ know\ (?:if|when|whether|should)\b.{{0,160}}
          \b(?:chang|revis|adjust|edit|tweak|expand|shorten|section|version|draft|article|outline)
      | would\ you\ like\ me\ to\b
      | i\ hope\ this\ (?:helps|meets)\b.{{0,80}}(?:{_DOCUMENT}|needs|requirements|request)
      | if\ you(?:['\u2019]d|\ would)\ like,?\ (?:me\ to|i\ can)\b
      | i(?:['\u2019]ve|\ have)\ (?:written|edited|revised|kept|followed|completed|saved|addressed
          |applied|made\ (?:the|all|sure)|included\ all|removed\ (?:all|the)).{{0,200}}{_DOCUMENT}
      | (?:the|this)\ (?:{_DOCUMENT}|[a-z-]+\ {_DOCUMENT})\ (?:is|has|was|runs|comes|totals|meets
          |follows|contains|covers|includes)\b.{{0,200}}
          \b(?:words|requirements|outline|rules|checklist|saved|complete|placeholders|keyword)
      | [*_]*(?:total\ )?(?:word\ count|words)[*_]*\s*:
      | [*_]*(?:changes\ made|summary\ of\ changes|key\ changes|what\ (?:i|I)\ changed)[*_]*\s*:
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_LONGEST_GREETING = 400
_LONGEST_SIGN_OFF = 1_500
_LIST_ITEM = re.compile(r"[-*+•✓]|\d{1,2}[.)]\s")


def without_greeting(text: str) -> str:
    """The text without the sentence that announces it."""
    first, blank, rest = text.partition("\n\n")
    rest = rest.lstrip()
    if not blank or not rest or len(first) > _LONGEST_GREETING or is_heading(first):
        return text
    if not _announces(" ".join(first.split()), rest):
        return text
    rule, _, following = rest.partition("\n")
    bare = rule.rstrip() in ("---", "***", "___") and not following.lstrip("\n").startswith("---")
    return following if bare and _starts_prose(following) else rest


def _announces(sentence: str, rest: str) -> bool:
    titled = rest.startswith(("# ", "---\n"))
    if _PRESENTS.match(sentence) and _SPEAKS_OF_DOCUMENT.search(sentence):
        return titled or bool(_PROMISES.search(sentence))
    return titled and bool(_PRESENTS.match(sentence) or _ASSENTS.match(sentence))


def _starts_prose(following: str) -> bool:
    """Whether the text after `---` is the document, and the `---` no front matter's beginning."""
    return not following.strip() or following.startswith(("\n", "#"))


def without_sign_off(text: str) -> str:
    """The text without the closing remark about it and the rule that sets it off."""
    start = max(0, len(text) - _LONGEST_SIGN_OFF)
    tail = text[start:]
    for mark in ("\n\n---\n\n", "\n\n***\n\n"):
        before, rule, remark = tail.rpartition(mark)
        if rule and _is_sign_off(remark):
            return text[:start] + before
    return _without_last_remark(text)


def _without_last_remark(text: str) -> str:
    before, blank, last = text.rpartition("\n\n")
    if not blank or len(last) > _LONGEST_SIGN_OFF:
        return text
    if _is_sign_off(last):
        return before
    above, blank, heading = before.rpartition("\n\n")
    listed = _LIST_ITEM.match(last) and not is_heading(heading) and heading.rstrip().endswith(":")
    return above if blank and listed and _is_sign_off(heading) else text


def _is_sign_off(remark: str) -> bool:
    plain = remark.strip()
    if "```" in plain or any(is_heading(line) for line in plain.split("\n")):
        return False
    return bool(_SIGNS_OFF.match(plain))
