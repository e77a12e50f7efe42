"""An outage of a provider costs no post its tries, and ends by itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shared.domain.events import CallFailed, CallStarted, StageCompleted, StageDeferred
from shared.domain.values import Stage
from shared.errors import Transient
from shared.providers.port import Answer, Request
from shared.runtime.circuit import OPENS_AFTER, PROBES_EVERY_S, Circuit, Circuits
from shared.runtime.desk import Work
from tests.unit.runtime.bench import MODEL, Bench, Model
from tests.unit.runtime.simulation.between import USAGE, only
from tests.unit.runtime.simulation.virtual_time import lived

if TYPE_CHECKING:
    from shared.domain.events import PostEvent
    from shared.runtime.desk import Desk

AWAY = Transient("nobody there", code="connection")
ODD = Transient("half an answer", code="unreadable_answer")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit("claude", clock, first_pause=10.0, longest_pause=60.0)


def opened(circuit: Circuit) -> None:
    for run in range(OPENS_AFTER):
        circuit.failed(run, AWAY)


def test_it_opens_when_several_runs_find_nobody(circuit: Circuit) -> None:
    counted = [circuit.failed(run % 2, AWAY) for run in range(OPENS_AFTER)]
    assert counted == [True] * (OPENS_AFTER - 1) + [False]
    assert circuit.shut_for() == 10.0


def test_one_run_alone_does_not_open_it(circuit: Circuit) -> None:
    assert all(circuit.failed(7, AWAY) for _ in range(2 * OPENS_AFTER))
    assert circuit.shut_for() == 0


def test_a_failure_that_is_about_the_request_says_that_somebody_is_there(circuit: Circuit) -> None:
    for run in range(2 * OPENS_AFTER):
        assert circuit.failed(run, AWAY if run % 2 else ODD)
    assert circuit.shut_for() == 0


def test_an_answer_closes_it(circuit: Circuit) -> None:
    opened(circuit)
    circuit.answered()
    assert circuit.shut_for() == 0
    assert circuit.failed(1, AWAY)


def test_it_lets_one_call_through_now_and_then(circuit: Circuit, clock: Clock) -> None:
    opened(circuit)
    clock.now += 10.0
    assert [circuit.shut_for() for _ in range(3)] == [0, PROBES_EVERY_S, PROBES_EVERY_S]
    clock.now += PROBES_EVERY_S
    assert circuit.shut_for() == 0


def test_each_call_let_through_for_nothing_doubles_the_pause(
    circuit: Circuit, clock: Clock
) -> None:
    opened(circuit)
    pauses = []
    for _ in range(4):
        clock.now += circuit.shut_for()
        assert circuit.shut_for() == 0
        assert not circuit.failed(1, AWAY)
        pauses.append(circuit.shut_for())
    assert pauses == [20.0, 40.0, 60.0, 60.0]


def test_calls_that_were_under_way_when_it_opened_change_nothing(circuit: Circuit) -> None:
    opened(circuit)
    assert not any(circuit.failed(run, AWAY) for run in range(5))
    assert circuit.shut_for() == 10.0


def test_a_providers_hint_is_kept_to(circuit: Circuit) -> None:
    for run in range(OPENS_AFTER):
        circuit.failed(run, Transient("slow down", code="rate_limited", retry_after=45.0))
    assert circuit.shut_for() == 45.0


async def _one_call(desk: Desk) -> Work:
    request = Request(provider="claude", model=MODEL, prompt="a topic", max_tokens=100)
    return Work(output=(await desk.ask("draft", request, asking="?")).text, summary="Done")


def _life(bench: Bench, shut_for: float) -> list[PostEvent]:
    """A post's research while its provider is known to be away for everybody."""

    async def life() -> list[PostEvent]:
        clock = asyncio.get_running_loop().time
        bench.circuits = Circuits(clock, first_pause=shut_for, longest_pause=shut_for)
        opened(bench.circuits.of("claude"))
        await bench.create()
        await bench.runner(Stage.RESEARCH, _one_call).handle(await bench.delivery())
        return await bench.facts()

    return lived(life())


def test_a_run_that_would_have_to_wait_long_gives_up_its_worker_and_claims_nothing() -> None:
    facts = _life(Bench(Model([])), shut_for=200.0)
    (deferred,) = only(facts, StageDeferred)
    assert "away for everybody" in deferred.reason
    assert not only(facts, CallStarted)


def test_a_probe_that_fails_costs_the_run_none_of_its_tries() -> None:
    bench = Bench(Model([*[AWAY] * 6, Answer(text="there", usage=USAGE)]))
    facts = _life(bench, shut_for=1.0)
    failed = only(facts, CallFailed)
    assert Counter((each.counted, each.tries) for each in failed) == {(False, 0): 6}
    assert [each.output for each in only(facts, StageCompleted)] == ["there"]
