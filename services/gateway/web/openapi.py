"""The OpenAPI document: what each address takes and may answer, said as HTTP sees it.

A parameter that is left out is absent, never null; an error is a problem and nothing else, and
any route may meet a defect of ours.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from services.gateway.web.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

type Json = dict[str, Any]

_NULL = {"type": "null"}
_KEY = {
    "type": "http",
    "scheme": "bearer",
    "description": "An API key, as `galley keys create` prints one.",
}
_ANYWHERE = {
    "400": "not understood",
    "401": "no key, or none that counts",
    "403": "the role of the key is too low",
    "421": "this gateway is not called so",
    "429": "too many at a time; Retry-After says when to try again",
    "500": "a defect of ours; the id names it",
    "503": "not now; try again",
}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def document(app: FastAPI, stage_models: Json) -> None:
    """Make the application serve its document in these words; `stage_models` are the legal ones."""
    plain = app.openapi

    def spelled() -> Json:
        found = plain()
        for operation in operations(found):
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _never_null(parameter["schema"])
            answers = operation["responses"]
            for status, meaning in _ANYWHERE.items():
                answers.setdefault(status, {"description": meaning})
            operation["security"] = [{"key": []}]
            for status in filter(_is_error, answers):
                answers[status]["content"] = {MEDIA_TYPE: _problem(status, answers[status])}
        found["components"]["securitySchemes"] = {"key": _KEY}
        found["components"]["schemas"]["ChosenModels"] = stage_models
        return found

    app.openapi = spelled  # type: ignore[method-assign]


def operations(document: Json) -> Iterator[Json]:
    """Every operation of every address."""
    for methods in document["paths"].values():
        yield from methods.values()


def _is_error(status: str) -> bool:
    return status.isdecimal() and int(status) >= HTTPStatus.BAD_REQUEST


def _problem(status: str, answer: Json) -> Json:
    title = HTTPStatus(int(status)).phrase
    example = {
        "type": f"urn:galley:problem:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": int(status),
        "detail": answer["description"],
        "code": title.lower().replace(" ", "-"),
    }
    return {"schema": _PROBLEM, "example": example}


def _never_null(schema: Json) -> Json:
    choices = schema.get("anyOf", [])
    if _NULL not in choices:
        return schema
    left = [each for each in choices if each != _NULL]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**left[0], **rest} if len(left) == 1 else {**rest, "anyOf": left}
