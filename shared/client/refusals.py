"""What the gateway refused, as the error that says what can be done about it, in its own words."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from shared.errors import Flaw, GatewayError, InvalidRequest, NotAdmitted, NotFound, StateConflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

MOST_FLAWS = 3
INVALID = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


def refusal(response: httpx.Response) -> GatewayError:
    """The error an answer stands for."""
    try:
        told = response.json()
    except ValueError:
        told = None
    status = response.status_code
    if not isinstance(told, dict) or not told.get("detail"):
        return GatewayError(status, f"the gateway answered {status} {response.reason_phrase}")
    return _error(status, told)


def _error(status: int, told: Mapping[str, Any]) -> GatewayError:
    sentence, code = str(told["detail"]), str(told.get("code") or "")
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(status, sentence, code)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NotAdmitted(status, sentence, code)
    if status == HTTPStatus.CONFLICT:
        return _conflict(sentence, code, told)
    if status in INVALID:
        flaws = _flaws(told)
        # The rows of a batch make a table, not a sentence.
        said = sentence if told.get("rows") else _sentence(flaws) or sentence
        return InvalidRequest(status, said, code, flaws=flaws)
    name = told.get("id")
    return GatewayError(status, f"{sentence}: {name}" if name else sentence, code)


def _conflict(sentence: str, code: str, told: Mapping[str, Any]) -> StateConflict:
    review = told.get("review")
    return StateConflict(
        sentence,
        code,
        current_stage=str(told.get("current_stage") or ""),
        review=_number(review.get("seq")) if isinstance(review, dict) else None,
        version=_number(told.get("version")),
    )


def _number(said: object) -> int | None:
    return said if isinstance(said, int) else None


def _flaws(told: Mapping[str, Any]) -> list[Flaw]:
    found = told.get("rows") or told.get("errors")
    return [_flaw(each) for each in found or () if isinstance(each, dict)]


def _flaw(each: Mapping[str, Any]) -> Flaw:
    row, field = _number(each.get("row")) or 0, str(each.get("field") or "")
    # Outside a batch the first word says where in the request the field is: the client's business.
    place = field if row else field.partition(".")[2]
    return Flaw(place, str(each.get("problem") or "").removeprefix("Value error, "), row)


def _sentence(flaws: Sequence[Flaw]) -> str:
    """Which fields are wrong, and how; empty when the gateway named none."""
    said = [f"{each.field}: {each.problem}" if each.field else each.problem for each in flaws]
    more = f"; and {len(flaws) - MOST_FLAWS} more" if len(flaws) > MOST_FLAWS else ""
    return "; ".join(said[:MOST_FLAWS]) + more
