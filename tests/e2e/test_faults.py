"""Whatever a provider does, a stage ends: retried, or failed in the open, never "complete" with
rubbish."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest
import pytest_asyncio

from shared.cli.place import Place
from shared.cli.summary import advice
from shared.domain.status import CONTENT_FIELDS
from shared.domain.values import ORDER, Stage
from shared.local.plant import Plan
from tests.e2e.conftest import PICTURES
from tests.e2e.press import ONCE, SHORT, pressing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.press import Press, Row

HOPELESS = {
    "perplexity:refusal": (Stage.RESEARCH, "unusable_answer"),
    "perplexity:401": (Stage.RESEARCH, "authentication_error"),
    "perplexity:huge:30000000": (Stage.RESEARCH, "max_tokens"),
    "claude:refusal": (Stage.OUTLINE, "refusal"),
    "claude:max_tokens": (Stage.OUTLINE, "max_tokens"),
    "claude:html": (Stage.OUTLINE, "unusable_answer"),
    "claude:huge:30000000": (Stage.OUTLINE, "max_tokens"),
    "manifest:refusal": (Stage.IMAGES, "refusal"),
    "gemini:safety_block": (Stage.IMAGES, "all_images_failed"),
    "gemini:not_image": (Stage.IMAGES, "all_images_failed"),
    "gemini:bomb": (Stage.IMAGES, "all_images_failed"),
}
"""Faults that trying again cannot help: one attempt for each call."""
LASTING = {
    "perplexity:html_body": (Stage.RESEARCH, "unreadable_answer"),
    "perplexity:cut_mid": (Stage.RESEARCH, "connection"),
    "claude:end_mid": (Stage.OUTLINE, "cut_off"),
    "claude:err_event": (Stage.OUTLINE, "overloaded"),
    "claude:html_body": (Stage.OUTLINE, "unreadable_answer"),
    "gemini:hang": (Stage.IMAGES, "all_images_failed"),
}
"""Faults that might pass, and do not: three attempts for each call."""
PASSING = {
    "claude:529*2": 2,
    "claude:429:2*1": 1,
    "claude:reset*1": 1,
    "perplexity:cut_mid*1": 1,
    "manifest:half_json*1": 1,
}
"""Faults that pass, and the retries they take."""
OTHERS = ("manifest:invalid_json", "manifest:invalid_json*1", "gemini:safety_block*1")
ALL = (*HOPELESS, *LASTING, *PASSING, *OTHERS)


class Suffered(NamedTuple):
    """A post whose providers had a fault, at rest."""

    post: Row
    attempts: list[Row]

    def entries(self, event: str) -> list[Row]:
        return [entry for entry in self.post["execution_logs"] if entry["event"] == event]


async def _suffer(press: Press, fault: str) -> Suffered:
    topic = f"Odd Fruit {ALL.index(fault):02d} [[sim:{fault}]]"
    post = await press.hand_in(topic, words=SHORT)
    return Suffered(await press.rest(post), await press.attempts(post))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def suffered(press: Press) -> dict[str, Suffered]:
    """A post for every fault, all at once."""
    ended = await asyncio.gather(*(_suffer(press, fault) for fault in ALL))
    return dict(zip(ALL, ended, strict=True))


def _stands_failed(post: Row, stage: Stage) -> None:
    done = ORDER[: ORDER.index(stage)]
    after = ORDER[len(done) + 1 :]
    assert post["current_stage"] == "failed"
    assert post["stage_status"] == {
        **dict.fromkeys(done, "complete"),
        stage: "failed",
        **dict.fromkeys(after, "pending"),
    }
    assert post[CONTENT_FIELDS[stage]] is None
    assert post["completed_at"] is None


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*HOPELESS, *LASTING])
async def test_a_stage_without_a_usable_answer_fails_in_the_open(
    suffered: dict[str, Suffered], fault: str
) -> None:
    stage, code = (HOPELESS | LASTING)[fault]
    case = suffered[fault]
    _stands_failed(case.post, stage)
    assert [(each["stage"], each["code"]) for each in case.post["failures"]] == [(stage, code)]
    (told,) = case.entries("stage_error")
    assert (told["stage"], told["level"], told["data"]["code"]) == (stage, "error", code)
    assert told["data"]["moved_to_dlq"]
    assert "Traceback" in told["data"]["traceback"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", HOPELESS)
async def test_what_cannot_be_helped_is_tried_once(
    suffered: dict[str, Suffered], fault: str
) -> None:
    case = suffered[fault]
    assert {each["attempt"] for each in case.attempts} == {1}
    assert case.entries("retry") == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", LASTING)
async def test_what_might_pass_is_tried_three_times_and_then_fails(
    suffered: dict[str, Suffered], fault: str
) -> None:
    case = suffered[fault]
    failed = Counter(each["key"] for each in case.attempts if each["outcome"] == "failed")
    assert set(failed.values()) == {3}
    assert len(case.entries("retry")) == 2 * len(failed)


@pytest.mark.slow
@pytest.mark.parametrize("fault", PASSING)
async def test_a_fault_that_passes_is_retried_and_the_post_completes(
    suffered: dict[str, Suffered], fault: str
) -> None:
    case = suffered[fault]
    assert case.post["stage_status"] == dict.fromkeys(ORDER, "complete")
    retries = [(entry["data"]["attempt"], entry["level"]) for entry in case.entries("retry")]
    assert retries == [(number, "warning") for number in range(1, PASSING[fault] + 1)]
    assert case.entries("stage_error") == []


@pytest.mark.slow
async def test_a_rate_limited_call_waits_as_long_as_the_provider_told_it_to(
    suffered: dict[str, Suffered],
) -> None:
    refused, again = [e for e in suffered["claude:429:2*1"].attempts if e["key"] == "outline"]
    assert (refused["code"], again["outcome"]) == ("rate_limited", "settled")
    ended, started = (
        datetime.fromisoformat(each) for each in (refused["ended_at"], again["started_at"])
    )
    # Slept by one clock, noted by another: they may differ by a little.
    assert started - ended > timedelta(seconds=1.95)


@pytest.mark.slow
async def test_one_lost_picture_is_a_warning_with_its_number(
    suffered: dict[str, Suffered],
) -> None:
    case = suffered["gemini:safety_block*1"]
    manifest = case.post["image_manifest"]
    assert (manifest["total_failed"], manifest["total_generated"]) == (1, 3)
    (lost,) = case.entries("image_failed")
    assert (lost["level"], lost["data"]["index"]) == ("error", 1)
    assert case.post["warnings"]["images"] == ["1 of 4 images failed"]
    assert case.post["current_stage"] == "complete"


@pytest.mark.slow
async def test_a_manifest_that_cannot_be_read_is_asked_for_once_more(
    suffered: dict[str, Suffered],
) -> None:
    case = suffered["manifest:invalid_json*1"]
    asked = [each["key"] for each in case.attempts if each["key"].startswith("manifest")]
    assert asked == ["manifest", "manifest-again"]
    assert case.post["current_stage"] == "complete"


@pytest.mark.slow
async def test_a_manifest_that_stays_unreadable_fails_with_the_raw_answer(
    suffered: dict[str, Suffered],
) -> None:
    case = suffered["manifest:invalid_json"]
    _stands_failed(case.post, Stage.IMAGES)
    (told,) = case.entries("stage_error")
    assert "Here is the manifest" in told["data"]["raw"]
    assert "Here is the manifest" in case.post["failures"][0]["raw"]
    asked = Counter(each["key"] for each in case.attempts if each["stage"] == "images")
    assert asked == {"manifest": 1, "manifest-again": 1}


async def test_rerunning_a_failed_stage_repairs_the_post_once_the_fault_is_gone(
    press: Press,
) -> None:
    topic = "Mending Medlars"
    await press.simulator.tell("rules", provider="manifest", fault="invalid_json", match=topic)
    post = await press.hand_in(topic, words=SHORT)
    failed = await press.rest(post)
    _stands_failed(failed, Stage.IMAGES)
    await press.simulator.drop_rules()
    after = await press.told(post, "rerun/images?cascade=true")
    repaired = await press.finished(post, after=after)
    assert repaired["stage_status"] == dict.fromkeys(ORDER, "complete")
    assert repaired["failures"] == []
    tasks = Counter(call["task"] for call in await press.simulator.calls(topic))
    assert tasks == {**ONCE, "images": 3, "picture": 4}


async def test_a_post_that_failed_on_a_retired_model_goes_through_on_another(press: Press) -> None:
    topic = "Retiring Rowans"
    models = {each["stage"]: each for each in await press.gateway.stage_models()}
    retired = models["outline"]["model"]
    fault = {"provider": "claude", "fault": "404", "model": retired}
    await press.simulator.tell("rules", **fault, match=topic)
    post = await press.hand_in(topic, words=SHORT)
    failed = await press.rest(post)
    _stands_failed(failed, Stage.OUTLINE)
    [failure] = failed["failures"]
    assert failure["code"] == "not_found_error"
    assert "give this stage of the post another: stage_models" in failure["message"]
    said = "\n".join(advice(failed, Place("")))
    assert f"galley edit {post} --model outline=" in said
    chosen = {
        stage: {"model": next(name for name in models[stage]["models"] if name != retired)}
        for stage, pinned in failed["stage_models"].items()
        if pinned["model"] == retired
    }
    changed = await press.gateway.change(post, stage_models=chosen)
    assert changed["stage_models"]["outline"]["model"] == chosen["outline"]["model"]
    after = await press.told(post, "run")
    done = await press.finished(post, after=after)
    assert done["stage_logs"]["outline"]["model"] == chosen["outline"]["model"]
    assert {each["task"] for each in await press.simulator.calls(topic)} >= set(ONCE)


async def test_a_failed_run_that_is_continued_pays_for_nothing_settled_again(press: Press) -> None:
    topic = "Salvaging Sorbs"
    fault = {"provider": "gemini", "fault": "safety_block"}
    await press.simulator.tell("rules", **fault, match=topic)
    post = await press.hand_in(topic, words=SHORT)
    assert (await press.rest(post))["current_stage"] == "failed"
    await press.simulator.drop_rules()
    after = await press.told(post, "run")
    await press.finished(post, after=after)
    tasks = Counter(call["task"] for call in await press.simulator.calls(topic))
    assert tasks == {**ONCE, "picture": 8}


@pytest.mark.slow
async def test_a_service_with_a_bad_key_fails_and_parks_after_one_attempt(tmp_path: Path) -> None:
    plan = Plan(
        data=tmp_path / "plant",
        simulator=PICTURES,
        services=("research", "projector", "gateway"),
        settings={"GALLEY_PERPLEXITY_API_KEY": "bad-key"},
        drain=5,
    )
    async with pressing(plan) as locked_out:
        post = await locked_out.hand_in("Keys to the Orchard")
        failed = await locked_out.rest(post)
        _stands_failed(failed, Stage.RESEARCH)
        assert [(each["code"], each["attempts"]) for each in failed["failures"]] == [
            ("authentication_error", 1)
        ]
        assert len(await locked_out.simulator.calls()) == 1
        began, ended = (
            datetime.fromisoformat(entry["ts"])
            for entry in (failed["execution_logs"][0], failed["execution_logs"][-1])
        )
        assert ended - began < timedelta(seconds=10)
