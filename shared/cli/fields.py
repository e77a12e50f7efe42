"""What a person writes as FIELD=VALUE, as the JSON the gateway reads."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from shared.domain.status import CONTENT_FIELDS
from shared.domain.values import ORDER, PostConfig, Stage
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TERMS = ("gate_deadline_s", "gate_outcome")
CONFIG = tuple(name for name in PostConfig.model_fields if name not in ("slug", "profile_id"))
EDITABLE = (*CONFIG, *TERMS)
ORDERED = ("slug", *(name for name in EDITABLE if name != "topic"))
OF_PROFILES = (
    "name",
    "website_url",
    "niche",
    "target_audience",
    "tone",
    "brand_voice",
    "word_count",
    "output_format",
    "image_style",
    "image_brand_colors",
    "image_exclude",
    "avoid",
    "required_mentions",
    "related_keywords",
    "budget_usd",
)
LISTS = frozenset(name for name, field in PostConfig.model_fields.items() if field.default == ())
NUMBERS = frozenset({"word_count", "gate_deadline_s"})
AMOUNT = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
SEPARATOR = re.compile(r"[;|]")
LONGEST_NUMBER = 18


def fields(words: Iterable[str], known: Sequence[str]) -> dict[str, Any]:
    """FIELD=VALUE words as fields; without a value it is None, the default.

    Raises `Misconfigured` for a field that is not `known` or comes twice.
    """
    found: dict[str, Any] = {}
    for name, value in _pairs(words, "FIELD=VALUE"):
        if name not in known:
            raise Misconfigured(f"there is no field {name!r}; there are {', '.join(known)}")
        if name in found:
            raise Misconfigured(f"{name} is named twice: say it once")
        found[name] = _value(name, value)
    return found


def outputs(words: Iterable[str]) -> dict[str, str]:
    """STAGE=FILE words: the post's field that holds a stage's text, and the file's name."""
    stages = [stage for stage in ORDER if stage is not Stage.IMAGES]
    found: dict[str, str] = {}
    for stage, path in _pairs(words, "STAGE=FILE"):
        if stage not in stages:
            raise Misconfigured(f"{stage!r} makes no text; {', '.join(stages)} do")
        found[CONTENT_FIELDS[Stage(stage)]] = path
    return found


def models(words: Iterable[str]) -> list[tuple[str, str]]:
    """STAGE=MODEL words; without a model, the stage gets what a new post would get."""
    found = list(_pairs(words, "STAGE=MODEL"))
    for stage, _ in found:
        if stage not in ORDER:
            raise Misconfigured(f"there is no stage {stage!r}; there are {', '.join(ORDER)}")
    return found


def settings(words: Iterable[str], now: dict[str, Any]) -> dict[str, Any]:
    """KEY=VALUE and KEY.PART=VALUE words as whole new values, from those that hold `now`.

    Raises `Misconfigured` for a key there is not.
    """
    changed: dict[str, Any] = {}
    for path, value in _pairs(words, "KEY.PART=VALUE"):
        key, *parts = path.split(".")
        if key not in now:
            raise Misconfigured(f"there is no setting {key!r}; there are {', '.join(sorted(now))}")
        said = _json(value)
        changed[key] = _put(changed.get(key, now[key]), parts, said) if parts else said
    return changed


def _put(value: object, parts: Sequence[str], said: object) -> dict[str, Any] | None:
    """`value` with one part of it changed; None when nothing is left of it."""
    here, (first, *rest) = dict(value) if isinstance(value, dict) else {}, parts
    here[first] = _put(here.get(first), rest, said) if rest else said
    return {name: each for name, each in here.items() if each is not None} or None


def _pairs(words: Iterable[str], form: str) -> Iterator[tuple[str, str]]:
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise Misconfigured(f"{word!r} says nothing: say {form}")
        yield name.strip(), value.strip()


def _value(name: str, said: str) -> object:
    """What is not as it should be stays a text, which the gateway then refuses in its words."""
    if not said:
        return None
    if name in NUMBERS and said.isascii() and said.isdigit() and len(said) <= LONGEST_NUMBER:
        return int(said)
    if name == "budget_usd" and AMOUNT.fullmatch(said):
        return float(said)
    if name in LISTS:
        return [part.strip() for part in SEPARATOR.split(said) if part.strip()]
    return said


def _json(said: str) -> object:
    """Numbers, lists and objects as JSON; anything else is a text, nothing is None."""
    try:
        return json.loads(said) if said else None
    except ValueError:
        return said
