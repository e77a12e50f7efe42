"""What a person is told to do about a post that rests."""

from __future__ import annotations

from typing import Any

import pytest

from shared.cli.place import Place
from shared.cli.summary import advice

HERE = Place("http://127.0.0.1:1", ("--data", "my data"))


def post(current: str, waits_for: str = "", **more: Any) -> dict[str, Any]:
    return {"id": "p", "current_stage": current, "waits_for": waits_for, "failures": [], **more}


def told(**fields: Any) -> str:
    return "\n".join(advice(post(**fields), HERE))


def test_a_complete_post_needs_nothing() -> None:
    assert told(current="complete") == ""


@pytest.mark.parametrize(
    ("current", "command"),
    [("paused", "resume"), ("cancelled", "retry"), ("pending", "retry")],
)
def test_a_post_at_rest_is_moved_by_a_command_for_the_same_plant(
    current: str, command: str
) -> None:
    assert told(current=current).endswith(f"galley {command} p --data 'my data'")


def test_a_review_is_answered_by_the_stage_that_was_looked_at() -> None:
    review = {"seq": 17, "stage": "outline", "mode": "review"}
    said = told(current="outline", waits_for="person", review=review)
    assert "outline is done and waits for a person" in said
    assert "galley approve p outline --data" in said
    assert "galley reject p outline --note 'what to change' --data" in said


def test_a_failure_tells_how_often_it_was_tried_and_why_it_failed() -> None:
    failure = {"stage": "write", "code": "overloaded", "message": "busy", "attempts": 3}
    said = told(current="failed", failures=[failure])
    assert "write failed after 3 attempts (overloaded): busy" in said
    assert "Once the cause is gone: galley retry p" in said


def test_a_post_whose_model_is_gone_is_given_another() -> None:
    failure = {"stage": "write", "code": "not_found_error", "message": "no m", "attempts": 1}
    said = told(current="failed", failures=[failure])
    assert "If its model is gone: galley edit p --model write=MODEL --data 'my data'" in said
    assert "galley settings show" in said
    assert said.endswith("Once the cause is gone: galley retry p --data 'my data'")
    assert "MODEL" not in told(current="failed", failures=[failure | {"code": "overloaded"}])


@pytest.mark.parametrize(
    ("scope", "command"),
    [
        ("day", "galley budget --day DOLLARS"),
        ("profile", "galley budget --profile q=DOLLARS"),
        ("post", "galley budget --post p=DOLLARS"),
    ],
)
def test_a_budget_that_has_no_room_is_named_with_what_makes_room(scope: str, command: str) -> None:
    waits = {"scope": scope, "message": "the next call may cost $2, and $1 is left"}
    said = told(current="write", waits_for="budget", profile_id="q", ledger={"waits": waits})
    assert "write waits: the next call may cost $2, and $1 is left." in said
    assert f"{command} --data 'my data'" in said
