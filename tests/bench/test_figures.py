"""The benchmark's arithmetic: what is counted, what is said of a target, what is sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.jetstream.messages import BATCH, BATCH_PLACE, EXPECTED, EXPECTED_OVER, Item
from tests.bench.course import Course, Results
from tests.bench.latency import percentile
from tests.bench.recorded import flights
from tests.bench.report import Line, Sense, as_json, lines
from tests.bench.usage import LOAD, difference, group_of
from tests.bench.waves import Wave


def a_wave(lasted: float, **other: float) -> Wave:
    cpu = {"stages": 2.0, "nats-server": 1.0, LOAD: 1.0}
    given = {"creating": 1.0, "machine": 8.0, **other}
    return Wave(posts=100, lasted=lasted, cpu=cpu, facts=5200, **given)


def item(seq: int, subject: str, **headers: str) -> Item:
    known = {"batch": BATCH, "place": BATCH_PLACE, "after": EXPECTED, "over": EXPECTED_OVER}
    named = {known[name]: value for name, value in headers.items()}
    return Item(seq, subject, b"{}", {"Nats-Sequence": str(seq), **named})


def test_the_load_generator_is_not_counted_as_a_service():
    assert a_wave(2.0).services_cpu_ms == pytest.approx(30.0)
    assert a_wave(2.0).load_share == pytest.approx(0.25)


def test_what_strangers_used_is_what_we_did_not_use():
    assert a_wave(2.0).others_share == pytest.approx(0.5)
    assert a_wave(2.0, machine=0.0).others_share == 0.0


def test_a_wave_that_ends_with_its_creation_has_no_speed_after_it():
    assert a_wave(2.0).rate_after_creation == pytest.approx(100.0)
    assert a_wave(1.05).rate_after_creation is None


def test_the_median_wave_counts_and_of_two_the_slower():
    slow, fast, middle = a_wave(4.0), a_wave(1.5), a_wave(2.0)
    assert Results(waves=[slow, fast, middle]).middle is middle
    assert Results(waves=[slow, fast]).middle is slow


def test_a_target_is_met_on_its_own_side_and_at_its_edge():
    def met(value: float, sense: Sense) -> bool | None:
        return Line(name="", value=value, unit="", bound=100, sense=sense).met

    assert (met(99.9, "at least"), met(100, "at least")) == (False, True)
    assert (met(100.1, "at most"), met(100, "at most")) == (False, True)
    assert Line(name="", value=1, unit="").verdict == ""


def test_a_percentile_of_one_value_is_that_value():
    assert percentile([0.2], 99) == 0.2
    assert percentile([0.1, 0.2, 0.3], 50) == pytest.approx(0.2)


def test_a_restarted_process_never_counts_negative():
    assert difference({"gateway": 5.0}, {"gateway": 1.0, "new": 2.0}) == {
        "gateway": 0.0,
        "new": 2.0,
    }


def test_the_six_stages_are_one_group():
    assert {group_of(name) for name in ("research", "ready")} == {"stages"}
    assert group_of("projector") == "projector"


def test_flights_are_what_was_stored_together():
    told = flights(
        [item(1, "a", batch="x", place="1"), item(2, "b", batch="x", place="2"), item(3, "c")], "p"
    )
    assert [[message.subject for message in flight] for flight in told] == [["p.a", "p.b"], ["p.c"]]


def test_what_is_sent_again_keeps_only_expectations_that_still_hold():
    told = flights(
        [
            item(7, "first", after="0"),
            item(8, "flow", after="5", over="flow.>"),
            item(9, "new", after="0", over="flow.>"),
        ],
        "p",
    )
    assert [flight[0].headers for flight in told] == [{EXPECTED: "0"}, {}, {}]


def test_unmeasured_parts_leave_no_line_and_json_holds_every_figure():
    results = Results(waves=[a_wave(0.5)])
    course = Course(
        posts=100,
        large=0,
        repeats=1,
        single=0,
        http=0,
        concurrency=1,
        at_once=1,
        data=Path(),
        say=lambda _: None,
    )
    names = [line.name for line in lines(results)]
    told = as_json(course, results)
    assert not any("alone" in name or "HTTP with" in name for name in names)
    assert told["figures"][0] | {"told": ""} == {
        "name": "100 pipelines at once, all projected",
        "value": 200.0,
        "unit": "/s",
        "bound": 100,
        "sense": "at least",
        "told": "",
        "met": True,
    }
