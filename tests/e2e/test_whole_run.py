"""A topic becomes an illustrated article, and everything that is told about it is true."""

from __future__ import annotations

import io
import re
from datetime import datetime
from math import fsum
from typing import TYPE_CHECKING, Any, NamedTuple
from zipfile import ZipFile

import psutil
import pytest
import pytest_asyncio
from PIL import Image

from shared.domain.values import ORDER
from shared.local.environment import SERVICES

if TYPE_CHECKING:
    from tests.e2e.press import Press, Row

TOPIC = "How to Train a Puppy"
EMPTY_LOG = {"model": "", "tokens_in": 0, "tokens_out": 0, "duration_s": 0.0, "cost_usd": 0.0}


class Article(NamedTuple):
    post: dict[str, Any]
    paid: list[Row]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def article(press: Press) -> Article:
    """The finished post, and the provider calls it took."""
    post = await press.finished(await press.hand_in(TOPIC))
    return Article(post, await press.simulator.calls(TOPIC))


def _opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


async def test_every_service_is_a_process_of_its_own(press: Press) -> None:
    pids = press.plant.pids()
    lines = {name: psutil.Process(pids[name]).cmdline() for name in SERVICES}
    assert len({pids[name] for name in SERVICES}) == 8
    assert all(f"services.{name}" in line for name, line in lines.items())


async def test_the_post_ends_complete_with_six_texts(article: Article) -> None:
    post = article.post
    fields = ("research", "outline", "draft", "final_md", "ready")
    assert all(len(post[f"{field}_content"]) > 500 for field in fields)
    assert post["stage_status"] == dict.fromkeys(ORDER, "complete")
    assert (post["current_stage"], post["stale"], post["failures"]) == ("complete", [], [])
    assert post["completed_at"] is not None


async def test_every_image_of_the_manifest_was_generated(article: Article) -> None:
    manifest = article.post["image_manifest"]
    assert len(manifest["images"]) >= 4
    assert all(image["generated"] for image in manifest["images"])
    assert (manifest["total_generated"], manifest["total_failed"]) == (len(manifest["images"]), 0)


async def test_every_stage_tells_what_it_took(article: Article) -> None:
    logs = article.post["stage_logs"]
    assert set(logs) == set(ORDER)
    for log in logs.values():
        assert set(log) == set(EMPTY_LOG)
        assert log["model"]
        assert min(log["tokens_in"], log["tokens_out"], log["cost_usd"]) > 0


async def test_the_execution_log_has_30_to_40_entries_in_order(article: Article) -> None:
    entries = article.post["execution_logs"]
    images = sum(entry["event"] == "image_generated" for entry in entries)
    assert images == len(article.post["image_manifest"]["images"])
    assert 30 <= len(entries) - max(0, images - 7) <= 40
    times = [datetime.fromisoformat(entry["ts"]) for entry in entries]
    assert times == sorted(times)
    assert [entry["seq"] for entry in entries] == sorted({entry["seq"] for entry in entries})
    assert {entry["level"] for entry in entries} == {"info"}


async def test_the_execution_log_tells_the_stages_in_order(article: Article) -> None:
    told = [(entry["event"], entry["stage"]) for entry in article.post["execution_logs"]]
    milestones = [each for each in told if each[0] not in {"log", "image_generated"}]
    stages = [(event, stage) for stage in ORDER for event in ("stage_start", "stage_complete")]
    assert milestones == [("pipeline_start", "research"), *stages, ("pipeline_complete", "")]


async def test_the_ledger_is_what_the_providers_billed(article: Article) -> None:
    billed = fsum(call["cost_usd"] for call in article.paid)
    assert article.post["ledger"]["settled_usd"] == pytest.approx(billed, rel=0, abs=1e-9)
    assert article.post["ledger"]["unconfirmed"] == []


async def test_every_call_was_made_once_and_is_in_the_log(press: Press, article: Article) -> None:
    attempts = await press.attempts(article.post["id"])
    assert {each["outcome"] for each in attempts} == {"settled"}
    assert len(attempts) == len(article.paid)
    assert len({call["request_digest"] for call in article.paid}) == len(article.paid)
    assert sorted(each["cost_usd"] for each in attempts) == pytest.approx(
        sorted(call["cost_usd"] for call in article.paid), rel=0, abs=1e-9
    )


async def test_the_pictures_of_the_article_can_be_fetched(press: Press, article: Article) -> None:
    images = article.post["image_manifest"]["images"]
    named = set(re.findall(r"\bmedia/([\w.-]+)", article.post["ready_content"]))
    assert named <= {image["filename"] for image in images}
    assert len(named) >= len(images) - 1
    for image in images:
        answer = await press.http.get(image["url"])
        picture = _opened(answer.content)
        assert (picture.format, picture.size) == ("WEBP", (image["width"], image["height"]))


async def test_the_export_holds_article_page_and_pictures(press: Press, article: Article) -> None:
    packed = await press.gateway.export(article.post["id"])
    archive = ZipFile(io.BytesIO(packed))
    assert archive.testzip() is None
    pictures = [name for name in archive.namelist() if name.startswith("images/")]
    assert {_opened(archive.read(name)).format for name in pictures} == {"WEBP"}
    others = {name: archive.read(name).decode() for name in set(archive.namelist()) - {*pictures}}
    kinds = sorted(name.rsplit(".", 1)[1] for name in others)
    assert kinds == ["html", "json", "jsonl", "md"]
    texts = {name: text for name, text in others.items() if name.endswith((".html", ".md"))}
    for text in texts.values():
        shown = set(re.findall(r"images/[\w.-]+", text))
        assert shown <= set(pictures)
        assert len(shown) >= len(pictures) - 1
        assert "/media/" not in text
    assert await press.gateway.export(article.post["id"]) == packed


async def test_the_same_order_under_one_idempotency_key_is_one_post(press: Press) -> None:
    asked = [press.gateway.create("Keyed Kites", idempotency_key="kites-1") for _ in range(2)]
    first, second = [(await each)["id"] for each in asked]
    assert first == second
    await press.finished(first)
    assert len([c for c in await press.simulator.calls("Keyed Kites") if c["task"] == "write"]) == 1
