"""What a provider sends and a stage makes of it, at its worst.

An answer that was paid for is booked to the cent, asked once, and never ends in silence.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallSettled,
    Progressed,
    StageCompleted,
    StageFailed,
)
from shared.domain.ledger import ledger
from shared.domain.values import Source
from shared.providers.port import Answer
from shared.runtime.desk import Work
from tests.unit.runtime.bench import answer, ask, asks
from tests.unit.runtime.simulation.between import USAGE, only, told
from tests.unit.runtime.simulation.virtual_time import lived

if TYPE_CHECKING:
    from shared.domain.events import Recorded
    from shared.runtime.desk import Desk

LONE = "\ud83d"

# --- what the provider sends ------------------------------------------------------------------

TOO_LARGE = {
    "ascii": Answer(text="x" * 600_000, usage=USAGE, request_id="req-1"),
    "three bytes a character": Answer(text="校" * 200_000, usage=USAGE, request_id="req-1"),
    "escaped": Answer(text="\x01" * 100_000, usage=USAGE, request_id="req-1"),
    "sources": Answer(
        text="short",
        usage=USAGE,
        request_id="req-1",
        sources=tuple(
            Source(number=n, url=f"https://a.b/{n}", title="t" * 6_000) for n in range(100)
        ),
    ),
}


@pytest.mark.parametrize("paid", TOO_LARGE.values(), ids=TOO_LARGE)
def test_an_answer_larger_than_a_fact_is_paid_once_booked_and_parked(paid):
    bench, facts = told(asks("draft"), paid)
    [failed] = only(facts, CallFailed)
    assert len(bench.model.asked) == 1
    assert failed.cost_usd > 0
    assert failed.request_id == "req-1"
    assert only(facts, StageFailed)[0].code == failed.code
    assert not only(facts, CallAbandoned)


def test_text_no_store_can_hold_is_cleaned_and_paid_once():
    bench, facts = told(asks("draft"), Answer(text=f"a\0b{LONE}c", usage=USAGE))
    assert len(bench.model.asked) == 1
    assert only(facts, CallSettled)[0].text == "abc"
    assert only(facts, StageCompleted)[0].output == "abc"


def test_a_model_name_no_store_can_hold_is_still_booked():
    odd = Answer(text="fine", usage=USAGE.model_copy(update={"model": f"x{LONE}"}))
    bench, facts = told(asks("draft"), odd)
    assert len(bench.model.asked) == 1
    assert only(facts, StageCompleted)
    assert only(facts, CallSettled)[0].cost_usd > 0


def test_a_request_id_no_store_can_hold_is_still_booked():
    bench, facts = told(asks("draft"), Answer(text="fine", usage=USAGE, request_id=f"r{LONE}"))
    assert len(bench.model.asked) == 1
    assert only(facts, StageCompleted)


def test_an_answer_of_a_model_without_a_price_costs_what_the_asked_one_costs():
    renamed = Answer(text="fine", usage=USAGE.model_copy(update={"model": "brand-new-5"}))
    _, priced = told(asks("draft"), answer())
    _, facts = told(asks("draft"), renamed)
    assert only(facts, CallSettled)[0].cost_usd == only(priced, CallSettled)[0].cost_usd > 0


# --- what a stage makes of it -----------------------------------------------------------------


@pytest.mark.parametrize("where", ["output", "summary", "warnings", "sources"])
def test_a_lone_surrogate_out_of_an_escape_completes_the_stage_all_the_same(where):
    async def unescapes(desk: Desk) -> Work:
        got = await desk.ask("draft", ask("draft", desk), asking="Asking")
        text = json.loads(got.text)
        values = {"output": text, "summary": text, "warnings": (text,), "sources": ()}
        if where == "sources":
            values["sources"] = (
                Source(number=1, url="https://a.b").model_copy(update={"title": text}),
            )
        return Work(**{"output": "o", "summary": "s", where: values[where]})

    bench, facts = told(unescapes, Answer(text='"a\\ud83d"', usage=USAGE))
    assert len(bench.model.asked) == 1
    assert only(facts, StageCompleted)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), LONE, 10**400])
def test_no_value_in_a_progress_line_fails_the_stage(value):
    async def says(desk: Desk) -> Work:
        await desk.say(f"Half done {LONE}", data={"value": value})
        return await asks("draft")(desk)

    _, facts = told(says)
    assert only(facts, StageCompleted)
    assert any(line.message.startswith("Half done") for line in only(facts, Progressed))


def test_an_output_larger_than_a_fact_says_so_and_is_not_paid_again():
    async def long_winded(desk: Desk) -> Work:
        await asks("draft")(desk)
        return Work(output="x" * 600_000, summary="Done")

    bench, facts = told(long_winded)
    [failed] = only(facts, StageFailed)
    assert failed.code == "too_large"
    assert len(bench.model.asked) == 1


def test_bills_and_names_cover_everything_that_was_asked():
    bench, _ = told(asks("one", "two"), TOO_LARGE["ascii"], answer())

    async def book() -> list[Recorded]:
        return await bench.recorded()

    found = ledger(lived(book()))
    assert len(found.bills) + len(found.unconfirmed) == len(bench.model.asked)
