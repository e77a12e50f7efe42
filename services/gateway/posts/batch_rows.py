"""The rows of a batch, read and checked: what is wrong is told row by row, and bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from services.gateway.posts import batch_csv
from services.gateway.web.answers import RowProblem
from services.gateway.web.problems import problem, where
from services.gateway.web.schemas import PostCreate
from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi.responses import JSONResponse

MOST_ROWS = 1_000
_MOST_PROBLEMS = 50
_LONGEST = 200


class BadRows(GalleyError):
    """The batch is refused, whole, because of these rows; none when it is no batch at all."""

    def __init__(
        self,
        detail: str,
        rows: Sequence[RowProblem] = (),
        *,
        code: str = "invalid",
        status: int = 422,
    ) -> None:
        super().__init__(detail)
        self.rows = tuple(rows)
        self.code = code
        self.status = status

    def answer(self) -> JSONResponse:
        rows = list(self.rows[:_MOST_PROBLEMS]) or None
        return problem(self.status, self.code, str(self), rows=rows)


def read(body: bytes, content_type: str) -> list[PostCreate]:
    """The posts of a batch. Raises `BadRows`."""
    said = _table(body) if content_type.startswith("text/csv") else _list(body)
    if not 0 < len(said) <= MOST_ROWS:
        raise BadRows(f"a batch has 1 to {MOST_ROWS:,} rows")
    posts, wrong = list[PostCreate](), list[RowProblem]()
    for row, each in enumerate(said, 1):
        try:
            posts.append(PostCreate.model_validate(each))
        except ValidationError as error:
            wrong.extend(_problems(row, error))
    if wrong:
        raise BadRows(f"{len({each.row for each in wrong})} of the rows are not valid", wrong)
    return posts


def _table(body: bytes) -> list[dict[str, Any]]:
    try:
        return batch_csv.rows(body, MOST_ROWS)
    except batch_csv.NotATable as error:
        raise BadRows(str(error)) from None


def _list(body: bytes) -> list[Any]:
    try:
        said = from_json(body, allow_inf_nan=False)
    except ValueError:
        raise BadRows("the body is not valid JSON") from None
    if not isinstance(said, list):
        raise BadRows("the body has to be a list of posts")
    return said


def _problems(row: int, error: ValidationError) -> list[RowProblem]:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [
        RowProblem(row=row, field=where(each["loc"]), problem=each["msg"][:_LONGEST])
        for each in found[:_MOST_PROBLEMS]
    ]
