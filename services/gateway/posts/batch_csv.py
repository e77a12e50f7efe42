"""A table as a batch: the first row names fields, every other row is a post, an empty cell says
nothing.

Lists are separated by `;` or `|`; gates are written `outline=review;edit=auto`.
"""

from __future__ import annotations

import csv
import io
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

from services.gateway.web.schemas import PostCreate

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEPARATOR = re.compile(r"[;|]")
_LISTS = frozenset({"related_keywords", "competitor_urls", "image_brand_colors", "image_exclude"})
_NUMBERS = frozenset({"word_count", "gate_deadline_s"})
_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_LONGEST_NUMBER = 18


class NotATable(ValueError):
    """It cannot be read as a table of posts; the message says why."""


def rows(body: bytes, most: int) -> list[dict[str, Any]]:
    """The posts of a table as they would stand in JSON; one more than `most` at most.

    Raises `NotATable`.
    """
    try:
        text = body.decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        said = list(islice(filter(None, lines), most + 2))
    except UnicodeDecodeError:
        raise NotATable("the table is not UTF-8 text") from None
    except csv.Error:
        raise NotATable("the table is not valid CSV: look for unbalanced quotes") from None
    if not said:
        raise NotATable("the table is empty; its first row names the fields")
    names = _names(said[0])
    return [_row(names, cells, place) for place, cells in enumerate(said[1:], 1)]


def _names(header: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in header]
    for column, name in enumerate(names, 1):
        if name not in PostCreate.model_fields:
            raise NotATable(f"column {column} of the first row names no field of a post")
    if len(set(names)) != len(names):
        raise NotATable("two columns of the first row name the same field")
    return names


def _row(names: Sequence[str], cells: Sequence[str], place: int) -> dict[str, Any]:
    if len(cells) > len(names):
        raise NotATable(f"row {place} has more cells than the first row has names")
    said = zip(names, cells, strict=False)
    return {name: _value(name, cell.strip()) for name, cell in said if cell.strip()}


def _value(name: str, cell: str) -> Any:  # noqa: ANN401  JSON
    """What is not as it should be stays a text, which the field then refuses."""
    if name in _NUMBERS and cell.isascii() and cell.isdigit() and len(cell) <= _LONGEST_NUMBER:
        return int(cell)
    if name == "budget_usd" and _AMOUNT.fullmatch(cell):
        return float(cell)
    if name in _LISTS:
        return [part.strip() for part in _SEPARATOR.split(cell) if part.strip()]
    if name == "stage_settings":
        return dict(_gate(part) for part in _SEPARATOR.split(cell) if part.strip())
    return cell


def _gate(said: str) -> tuple[str, str]:
    stage, _, mode = said.partition("=")
    return stage.strip(), mode.strip()
