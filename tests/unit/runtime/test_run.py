"""A run from first look to acknowledgement, on an in-memory log."""

import asyncio
from dataclasses import replace

import pytest

from shared.domain.commands import CancelPipeline, DeletePost, PausePipeline, RunStage, WakeStage
from shared.domain.events import (
    CallAbandoned,
    CallFailed,
    CallSettled,
    CallSettledLate,
    CallStarted,
    StageCompleted,
    StageDeferred,
    StageFailed,
    StageStarted,
)
from shared.domain.ledger import ledger
from shared.domain.values import GateMode, Stage, Usage
from shared.errors import Permanent, Transient
from shared.eventlog import Append
from shared.providers.port import Answer
from shared.runtime.desk import Work
from tests.unit.runtime.bench import MODEL, POST, Bench, Model, answer, ask, asks, kinds


def busy(retry_after: float | None = None) -> Transient:
    return Transient("overloaded", code="overloaded_error", status=529, retry_after=retry_after)


def only(facts, kind):
    return [fact for fact in facts if isinstance(fact, kind)]


async def test_a_clean_run_is_claimed_settled_completed_and_acked():
    bench = Bench()
    await bench.create()
    delivery = await bench.run(asks("draft"))
    assert kinds(await bench.facts()) == [
        "post-created",
        "pipeline-started",
        "stage-requested",
        "stage-started",
        "call-started",
        "progressed",
        "call-settled",
        "progressed",
        "progressed",
        "stage-completed",
        "stage-requested",
    ]
    assert delivery.ended == ["ack"]
    assert len(bench.model.asked) == 1


async def test_what_a_run_took_stands_in_its_completion():
    bench = Bench()
    await bench.create()
    await bench.run(asks("draft", "title"))
    [completed] = only(await bench.facts(), StageCompleted)
    assert completed.metrics.tokens_in == 2000
    assert completed.metrics.cost_usd == ledger(await bench.recorded()).settled_usd > 0


async def test_the_cost_and_the_time_of_a_run_hold_what_a_second_provider_took():
    painter = "gemini-3.1-flash-image"
    drawn = Usage(model=painter, tokens_in=100, tokens_out=1120, tokens_image=1120)
    bench = Bench(Model([answer(), Answer(text="", usage=drawn)]))

    async def illustrated(desk):
        await desk.ask("manifest", ask("manifest", desk), asking="Asking for the manifest")
        picture = replace(ask("image-1", desk), provider="gemini", model=painter)
        await desk.ask("image-1", picture, asking="Asking for the picture")
        bench.later(2.5)
        return Work(output="{}", summary="Done")

    await bench.create()
    await bench.run(illustrated)
    [completed] = only(await bench.facts(), StageCompleted)
    took = completed.metrics
    assert took.by_model == {MODEL: pytest.approx(0.004), painter: pytest.approx(0.06725)}
    assert took.cost_usd == ledger(await bench.recorded()).settled_usd == pytest.approx(0.07125)
    assert took.duration_s == 2.5


async def test_a_gated_stage_ends_in_a_review():
    bench = Bench()
    await bench.create({Stage.RESEARCH: GateMode.REVIEW})
    await bench.run(asks("draft"))
    assert kinds(await bench.facts())[-1] == "review-requested"


async def test_a_transient_failure_is_told_and_tried_again():
    bench = Bench(Model([busy(), busy()]))
    await bench.create()
    await bench.run(asks("draft"))
    failures = only(await bench.facts(), CallFailed)
    assert [(each.tries, each.transient) for each in failures] == [(1, True), (2, True)]
    assert (await bench.post()).stages[Stage.RESEARCH].status == "complete"


async def test_out_of_tries_the_post_is_parked_with_the_reason():
    bench = Bench(Model([busy(), busy(), busy()]))
    await bench.create()
    delivery = await bench.run(asks("draft"))
    [failed] = only(await bench.facts(), StageFailed)
    assert (failed.code, failed.attempts, failed.call) == ("overloaded_error", 3, "draft")
    assert failed.parked
    assert delivery.ended == ["ack"]


async def test_a_permanent_failure_is_tried_once():
    bad_key = Permanent("no such key", code="authentication_error", status=401)
    bench = Bench(Model([bad_key]))
    await bench.create()
    await bench.run(asks("draft"))
    [failed] = only(await bench.facts(), StageFailed)
    assert (failed.code, failed.attempts, len(bench.model.asked)) == ("authentication_error", 1, 1)


async def test_a_long_wait_gives_the_worker_up_and_the_tries_count_on():
    bench = Bench(Model([busy(retry_after=600), busy(), busy()]))
    await bench.create()
    delivery = await bench.run(asks("draft"))
    [deferred] = only(await bench.facts(), StageDeferred)
    assert delivery.ended == ["ack"]
    bench.clock = deferred.until
    await bench.do(WakeStage(post_id=POST.id, run=deferred.run))
    await bench.run(asks("draft"))
    [failed] = only(await bench.facts(), StageFailed)
    assert failed.attempts == 3


async def test_a_persons_retry_starts_counting_anew_and_pays_nothing_twice():
    bench = Bench(Model([answer("first"), busy(), busy(), busy()]))
    await bench.create()
    await bench.run(asks("one", "two"))
    assert only(await bench.facts(), StageFailed)
    await bench.do(RunStage(post_id=POST.id, stage=Stage.RESEARCH))
    await bench.run(asks("one", "two"))
    assert (await bench.post()).stages[Stage.RESEARCH].status == "complete"
    assert sum("one about" in request.prompt for request in bench.model.asked) == 1


async def test_an_answer_a_stage_cannot_use_is_asked_for_again_when_a_person_retries():
    async def picky(desk):
        work = await asks("manifest")(desk)
        if work.output == "rubbish":
            raise Permanent("no manifest in it", code="unusable_manifest")
        return work

    bench = Bench(Model([answer("rubbish")]))
    await bench.create()
    await bench.run(picky)
    await bench.do(RunStage(post_id=POST.id, stage=Stage.RESEARCH))
    await bench.run(picky)
    assert len(bench.model.asked) == 2
    assert (await bench.post()).stages[Stage.RESEARCH].status == "complete"


async def test_a_finished_run_delivered_again_is_only_acked():
    bench = Bench()
    await bench.create()
    delivery = await bench.delivery()
    await bench.runner(Stage.RESEARCH, asks("draft")).handle(delivery)
    before = await bench.facts()
    await bench.runner(Stage.RESEARCH, asks("draft")).handle(delivery)
    assert await bench.facts() == before
    assert delivery.ended == ["ack", "ack"]


async def test_an_attempt_nobody_ended_is_abandoned_by_name_before_the_next():
    bench = Bench(Model(held=asyncio.Event()))
    await bench.create()
    dead = asyncio.create_task(bench.run(asks("draft")))
    await bench.model.reached.wait()
    bench.model.held = None
    await bench.run(asks("draft"))
    facts = await bench.facts()
    [abandoned] = only(facts, CallAbandoned)
    assert (abandoned.attempt, abandoned.reason) == (1, "ambiguous after crash")
    assert [each.attempt for each in only(facts, CallStarted)] == [1, 2]
    assert [each.attempt for each in only(facts, CallSettled)] == [2]
    dead.cancel()


async def test_a_zombie_that_comes_late_books_its_bill_and_stops_without_ack():
    held = asyncio.Event()
    bench = Bench(Model(held=held))
    await bench.create()
    delivery = await bench.delivery()
    zombie = asyncio.create_task(bench.runner(Stage.RESEARCH, asks("draft")).handle(delivery))
    await bench.model.reached.wait()
    bench.model.held = None
    await bench.run(asks("draft"))
    held.set()
    await zombie
    facts = await bench.facts()
    [late] = only(facts, CallSettledLate)
    assert late.attempt == 1
    assert len(only(facts, StageCompleted)) == 1
    assert "ack" not in delivery.ended
    book = ledger(await bench.recorded())
    assert not book.unconfirmed
    assert len(book.bills) == 2


async def test_a_cancelled_run_is_stopped_in_flight_and_its_attempt_named():
    bench = Bench(Model(held=asyncio.Event()))
    bench.policy = type(bench.policy)(heartbeat=0.001)
    await bench.create()
    delivery = await bench.delivery()
    running = asyncio.create_task(bench.runner(Stage.RESEARCH, asks("draft")).handle(delivery))
    await bench.model.reached.wait()
    await bench.do(CancelPipeline(post_id=POST.id))
    await running
    [abandoned] = only(await bench.facts(), CallAbandoned)
    assert abandoned.reason == "cancelled"
    assert delivery.ended[-1] == "ack"


async def test_a_paused_run_finishes_its_stage_and_no_more():
    held = asyncio.Event()
    bench = Bench(Model(held=held))
    bench.policy = type(bench.policy)(heartbeat=0.001)
    await bench.create()
    running = asyncio.create_task(bench.run(asks("draft")))
    await bench.model.reached.wait()
    await bench.do(PausePipeline(post_id=POST.id))
    held.set()
    await running
    assert kinds(await bench.facts())[-1] == "stage-completed"


async def test_an_answer_that_arrives_after_the_deletion_leaves_only_its_bill():
    held = asyncio.Event()
    bench = Bench(Model(held=held))
    await bench.create()
    running = asyncio.create_task(bench.run(asks("draft")))
    await bench.model.reached.wait()
    await bench.do(DeletePost(post_id=POST.id))
    held.set()
    await running
    [settled] = only(await bench.facts(), CallSettled)
    assert settled.text is None
    assert settled.cost_usd > 0
    assert kinds(await bench.facts())[-1] == "call-settled"


async def test_a_drained_run_is_handed_back_and_is_no_death():
    bench = Bench(Model(held=asyncio.Event()))
    await bench.create()
    for _ in range(5):
        bench.model.reached.clear()
        delivery = await bench.delivery()
        running = asyncio.create_task(bench.runner(Stage.RESEARCH, asks("draft")).handle(delivery))
        await bench.model.reached.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert delivery.ended == ["back"]
    bench.model.held = None
    await bench.run(asks("draft"))
    facts = await bench.facts()
    assert [each.reason for each in only(facts, CallAbandoned)] == ["drained"] * 5
    assert (await bench.post()).stages[Stage.RESEARCH].status == "complete"


async def test_the_fourth_delivery_without_a_settled_call_gives_up():
    bench = Bench(Model(held=asyncio.Event()))
    await bench.create()
    zombies = []
    for _ in range(3):
        bench.model.reached.clear()
        zombies.append(asyncio.create_task(bench.run(asks("draft"))))
        await bench.model.reached.wait()
    delivery = await bench.run(asks("draft"))
    [failed] = only(await bench.facts(), StageFailed)
    assert failed.code == "worker_died"
    assert delivery.ended == ["ack"]
    for zombie in zombies:
        zombie.cancel()


async def test_a_stage_that_takes_too_long_ends():
    bench = Bench(Model(held=asyncio.Event()))
    bench.policy = type(bench.policy)(stage_deadline=0.01)
    await bench.create()
    await bench.run(asks("draft"))
    facts = await bench.facts()
    [failed] = only(facts, StageFailed)
    assert failed.code == "stage_deadline"
    assert only(facts, CallAbandoned)


async def test_a_bug_in_a_stage_is_a_failure_with_its_traceback():
    async def broken(desk):
        raise KeyError("oops")

    bench = Bench()
    await bench.create()
    delivery = await bench.run(broken)
    [failed] = only(await bench.facts(), StageFailed)
    assert failed.code == "bug_KeyError"
    assert "broken" in failed.traceback
    assert delivery.ended == ["ack"]


async def test_a_worker_not_heard_of_for_long_looks_before_it_sends():
    bench = Bench()
    await bench.create()

    async def slow(desk):
        bench.mono += bench.policy.ack_wait
        started = StageStarted(
            post_id=POST.id, at=bench.clock, stage=Stage.RESEARCH, run=3, delivery=2, worker="other"
        )
        await bench.memory.append(Append(ref=POST, facts=[started]))
        return await asks("draft")(desk)

    delivery = await bench.run(slow)
    assert bench.model.asked == []
    assert "ack" not in delivery.ended


async def test_two_keys_may_run_at_once_but_one_key_only_once():
    async def both(desk):
        from tests.unit.runtime.bench import ask

        first = asyncio.create_task(desk.ask("a", ask("a", desk), asking="a"))
        second = asyncio.create_task(desk.ask("b", ask("b", desk), asking="b"))
        await asyncio.gather(first, second)
        twice = [desk.ask("c", ask("c", desk), asking="c") for _ in range(2)]
        results = await asyncio.gather(*twice, return_exceptions=True)
        assert sum(isinstance(each, ValueError) for each in results) == 1
        return await asks("d")(desk)

    bench = Bench()
    await bench.create()
    await bench.run(both)
    assert (await bench.post()).stages[Stage.RESEARCH].status == "complete"
    assert len(bench.model.asked) == 4


async def test_an_answer_with_characters_no_store_holds_is_written_down_without_them():
    bench = Bench(Model([answer("a\x00b\ud800c")]))
    await bench.create()
    await bench.run(asks("draft"))
    [settled] = only(await bench.facts(), CallSettled)
    assert settled.text == "abc"


async def test_an_answer_too_large_for_a_fact_is_a_failure_that_has_cost_something():
    bench = Bench(Model([answer("x" * 600_000)]))
    await bench.create()
    await bench.run(asks("draft"))
    [failed] = only(await bench.facts(), StageFailed)
    assert failed.code == "too_large"
    assert ledger(await bench.recorded()).settled_usd > 0


async def test_an_output_too_large_for_a_fact_is_a_failure_and_not_a_loop():
    async def vast(desk):
        work = await asks("draft")(desk)
        return type(work)(output="x" * 600_000, summary="vast")

    bench = Bench()
    await bench.create()
    delivery = await bench.run(vast)
    [failed] = only(await bench.facts(), StageFailed)
    assert failed.code == "too_large"
    assert delivery.ended == ["ack"]
