"""The kinds of text a request may carry: bounded, and free of characters that deceive or break.

Control characters (NUL above all, which Postgres refuses) and the marks that reverse the direction
of writing are refused, not removed: a client learns what is wrong with its text.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, HttpUrl, StringConstraints, TypeAdapter

from shared.domain.notices import webhook_url

_BIDI = "\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c"
_NOT_IN_LINES = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff{_BIDI}]")
_NOT_IN_TEXTS = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff{_BIDI}]")
_NOT_IN_CONTENT = re.compile("[\x00]")
_DOCUMENTED = (
    r"\u0000-\u001f\u007f-\u009f\u2028\u2029\ufeff"
    r"\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c"
)
_LINE = {"pattern": rf"^[^{_DOCUMENTED}]*$"}
_WORDS = {"pattern": rf"^[^{_DOCUMENTED}]*[^\s{_DOCUMENTED}][^{_DOCUMENTED}]*$"}
_NAMED = r"[a-z]+(?:[.][a-z]+)*"
_ITSELF = r"(?:localhost|127[.]0[.]0[.]1|\[::1\])(?::[1-9][0-9]{0,3})?"
_PATH = r"(?:/[A-Za-z0-9/_.~-]*)?"
_ADDRESS = {"pattern": rf"^(?:https?://{_NAMED}{_PATH})?$"}
_HOOK = {"pattern": rf"^(?:https://{_NAMED}|https?://{_ITSELF}){_PATH}$"}
# What counts as white space differs between readers of the document: none of it says something.
_SAYING = {"pattern": r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085\ufeff][^\u0000]*$"}
_PARAGRAPHS = {
    "pattern": (
        r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufeff"
        r"\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]*$"
    )
}
"""What clients are told to send; we understand a little more, as white space around it."""
_HTTP_URL: TypeAdapter[HttpUrl] = TypeAdapter(HttpUrl)


def _line(text: str) -> str:
    return _without(_NOT_IN_LINES, text)


def _text(text: str) -> str:
    return _without(_NOT_IN_TEXTS, text)


def _content(text: str) -> str:
    if text.isspace():
        raise ValueError("must say something")
    return _without(_NOT_IN_CONTENT, text)


def _without(forbidden: re.Pattern[str], text: str) -> str:
    if forbidden.search(text):
        raise ValueError("must not contain control characters or marks that change direction")
    return text


def whole(number: object) -> object:
    """JSON knows one kind of number: 100.0 is the integer 100."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _url(text: str) -> str:
    if text:
        _HTTP_URL.validate_python(text)
    return text


type Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=500),
    AfterValidator(_line),
    Field(json_schema_extra=_LINE),
]
"""One line of text."""

type Topic = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
    AfterValidator(_line),
    Field(json_schema_extra=_WORDS),
]
"""One line that says something."""

type Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=5_000),
    AfterValidator(_text),
    Field(json_schema_extra=_PARAGRAPHS),
]
"""Some paragraphs."""

type Content = Annotated[
    str,
    StringConstraints(min_length=1, max_length=400_000),
    AfterValidator(_content),
    Field(json_schema_extra=_SAYING),
]
"""A stage's whole output."""

type Term = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_line),
    Field(json_schema_extra=_WORDS),
]
"""A keyword, a colour, something to leave out."""

type Url = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=2_000),
    AfterValidator(_line),
    AfterValidator(_url),
    Field(json_schema_extra=_ADDRESS),
]
"""An http(s) address, or nothing."""

type HookUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=2_000),
    AfterValidator(webhook_url),
    Field(json_schema_extra=_HOOK),
]
"""An address that notices are sent to: https; on this machine itself http will do."""

type Slug = Annotated[str, StringConstraints(max_length=120, pattern=r"^[a-z0-9]+(?:-[a-z0-9]+)*$")]
"""Words of a web address."""

type Intent = Literal["", "informational", "commercial", "transactional", "navigational"]
type ArticleType = Literal[
    "", "guide", "how-to", "listicle", "review", "comparison", "news", "opinion"
]
type OutputFormat = Literal["markdown", "both"]
"""Markdown is always made; `both` says that HTML is wanted beside it."""
