"""The document says what every route takes and every status it may give."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.web.answers import Problem
from services.gateway.web.openapi import operations
from services.gateway.web.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

WRITES = ("post", "put", "patch", "delete")


def named(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_error_is_a_problem_with_an_example(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for status, answer in operation["responses"].items():
            if int(status) < 400:
                continue
            [(media_type, content)] = answer["content"].items()
            assert (media_type, content["schema"]["$ref"]) == (
                MEDIA_TYPE,
                "#/components/schemas/Problem",
            )
            assert Problem.model_validate(content["example"]).status == int(status)


def test_every_route_says_what_it_may_answer(document: dict[str, Any]) -> None:
    for method, path, operation in named(document):
        statuses = set(operation["responses"])
        wanted = {"500", "503"} | ({"422"} if operation.get("parameters") else set())
        wanted |= {"400", "409", "413", "415"} if method in WRITES else set()
        assert wanted <= statuses, f"{method} {path} lacks {wanted - statuses}"
        assert operation["summary"]
        assert operation["description"], f"{method} {path}"


def test_every_write_takes_a_key_and_every_write_to_a_post_a_version(
    document: dict[str, Any],
) -> None:
    for method, path, operation in named(document):
        headers = {
            each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"
        }
        if method in WRITES and not path.startswith("/api/session"):
            assert "Idempotency-Key" in headers, f"{method} {path}"
        if method in WRITES and path.startswith("/api/posts/{post_id}"):
            assert "If-Match" in headers, f"{method} {path}"


def test_the_models_a_stage_may_be_set_to_are_named(house: House, document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    chosen = schemas["SettingsChange"]["properties"]["stage_models"]["anyOf"][0]
    assert chosen == {"$ref": "#/components/schemas/ChosenModels"}
    stages = schemas["ChosenModels"]["properties"]
    for stage, choices in house.gateway.choices.items():
        said = {name: each["enum"] for name, each in stages[stage]["properties"].items()}
        assert said == {
            "model": [*choices.models, None],
            "effort": [*choices.efforts, None],
            "image_model": [*choices.image_models, None],
        }


@pytest.mark.parametrize(
    ("url", "legal"),
    [
        ("https://example.org", True),
        ("https://example.org/hook/1", True),
        ("http://localhost:8080/hook", True),
        ("http://127.0.0.1:9", True),
        ("http://[::1]/hook", True),
        ("http://example.org/hook", False),
        ("http://localhost.example.org", False),
        ("ftp://localhost", False),
        ("https://example.org/#S3CRET", False),
        ("https://user:S3CRET@example.org/", False),
        ("https://example.org:0/", False),
        ("https://example.org\\@evil.example/", False),
        ("", False),
    ],
)
async def test_the_document_takes_for_a_webhook_what_the_settings_take(
    house: House, document: dict[str, Any], url: str, legal: bool
) -> None:
    schemas = document["components"]["schemas"]
    documented = schemas[schemas["WebhookChange"]["properties"]["url"]["$ref"].rpartition("/")[2]]
    answer = await house.client.patch("/api/settings", json={"webhook": {"url": url}})
    assert (answer.status_code, bool(re.search(documented["pattern"], url))) == (
        200 if legal else 422,
        legal,
    )


def test_every_component_is_referred_to_and_there(document: dict[str, Any]) -> None:
    named = re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document))
    assert set(named) == set(document["components"]["schemas"])


@pytest.mark.parametrize("path", ["/api/events", "/api/events/{post_id}"])
def test_what_a_stream_sends_is_described_event_by_event(
    document: dict[str, Any], path: str
) -> None:
    [(media_type, content)] = document["paths"][path]["get"]["responses"]["200"]["content"].items()
    assert media_type == "text/event-stream"
    assert content["schema"]["required"] == ["event", "data"]


def test_no_parameter_is_documented_as_null(document: dict[str, Any]) -> None:
    for operation in operations(document):
        for parameter in operation.get("parameters", ()):
            assert {"type": "null"} not in parameter["schema"].get("anyOf", [])


async def test_the_document_is_served_and_the_same_however_often_it_is_asked_for(
    house: House, document: dict[str, Any]
) -> None:
    for _ in range(2):
        answer = await house.client.get("/openapi.json")
        assert (answer.status_code, answer.json()) == (200, document)


def test_no_answer_is_a_table_that_a_spreadsheet_would_calculate(document: dict[str, Any]) -> None:
    """Whoever adds one has to make its cells inert first."""
    kinds = {
        kind
        for operation in operations(document)
        for answer in operation["responses"].values()
        for kind in answer.get("content", ())
    }
    assert "application/json" in kinds
    assert [kind for kind in kinds if re.search("csv|excel|sheet|tab-separated", kind)] == []
