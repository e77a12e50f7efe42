"""A run works by the rules that were pinned when it was asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from shared.domain.commands import CancelPipeline, StartPipeline
from shared.domain.documents import Document, rules_ref
from shared.domain.events import StageFailed
from shared.domain.subjects import MAIN
from shared.domain.values import Stage
from shared.errors import LogUnavailable, Permanent
from shared.runtime.desk import Desk, Work
from shared.runtime.rules import Rulebook
from shared.testing.documents import MemoryDocuments
from shared.testing.memory import MemoryLog
from tests.unit.runtime.bench import POST, START, Bench

if TYPE_CHECKING:
    from shared.domain.documents import DocRef, Version

RESEARCH = rules_ref(MAIN, Stage.RESEARCH)


class LateDocuments(MemoryDocuments):
    """A replica that does not know a version for the first `late` times it is asked."""

    late = 0
    asked = 0

    async def at(self, ref: DocRef, seq: int) -> Version | None:
        self.asked += 1
        return await super().at(ref, seq) if self.asked > self.late else None


class AwayDocuments(MemoryDocuments):
    async def at(self, ref: DocRef, seq: int) -> Version | None:
        raise LogUnavailable(f"{ref.subject} {seq} is out of reach")


class Reader:
    """A stage that makes its rules its output."""

    def __init__(self) -> None:
        self.read: list[str] = []

    async def __call__(self, desk: Desk) -> Work:
        self.read.append(desk.rules)
        return Work(output=f"by {desk.rules}", summary="done")


async def written(bench: Bench, text: str, after: int = 0) -> int:
    document = Document(actor="Ada", at=START, content={"text": text})
    return await bench.documents.write(RESEARCH, document, after)


async def started(bench: Bench, rules: int | None) -> None:
    """The post runs, its research pinned to this version."""
    await bench.create()
    await bench.do(CancelPipeline(post_id=POST.id))
    pins = {} if rules is None else {Stage.RESEARCH: rules}
    await bench.do(StartPipeline(post_id=POST.id, rules=pins))


async def failures(bench: Bench) -> list[StageFailed]:
    return [fact for fact in await bench.facts() if isinstance(fact, StageFailed)]


async def test_a_run_without_a_version_works_by_the_shipped_rules() -> None:
    bench, stage = Bench(), Reader()
    await written(bench, "Edited.")
    await started(bench, None)
    await bench.run(stage)
    assert stage.read == [""]


async def test_a_run_works_by_the_version_it_was_pinned_to_whatever_came_after() -> None:
    bench, stage = Bench(), Reader()
    version = await written(bench, "Pinned.")
    await started(bench, version)
    await written(bench, "Newer.", version)
    delivery = await bench.run(stage)
    assert stage.read == ["Pinned."]
    assert delivery.ended[-1] == "ack"


async def test_a_version_that_is_not_there_fails_the_stage_by_name_before_it_begins() -> None:
    bench, stage = Bench(), Reader()
    await started(bench, 777)
    delivery = await bench.run(stage)
    assert [(failed.code, failed.attempts) for failed in await failures(bench)] == [
        ("rules_missing", 1)
    ]
    assert (stage.read, bench.model.asked, delivery.ended[-1]) == ([], [], "ack")


async def test_the_rules_of_another_stage_are_not_taken_for_these() -> None:
    bench, stage = Bench(), Reader()
    document = Document(actor="Ada", at=START, content={"text": "Of write."})
    version = await bench.documents.write(rules_ref(MAIN, Stage.WRITE), document, 0)
    await started(bench, version)
    await bench.run(stage)
    assert [failed.code for failed in await failures(bench)] == ["rules_missing"]


@pytest.mark.parametrize("data", [b"", b"{}", b'{"schema_version": 1}'])
async def test_rules_that_cannot_be_read_fail_the_stage_by_name(data: bytes) -> None:
    bench, stage = Bench(), Reader()
    version = await bench.memory.keep(RESEARCH.subject, data, 0)
    await started(bench, version)
    await bench.run(stage)
    assert [failed.code for failed in await failures(bench)] == ["rules_missing"]


async def test_a_failed_run_goes_on_once_it_is_started_with_rules_that_exist() -> None:
    bench, stage = Bench(), Reader()
    await started(bench, 777)
    await bench.run(stage)
    version = await written(bench, "Here now.")
    await bench.do(StartPipeline(post_id=POST.id, rules={Stage.RESEARCH: version}))
    await bench.run(stage)
    assert stage.read == ["Here now."]
    assert (await bench.post()).stages[Stage.RESEARCH].output is not None


async def test_with_the_log_away_the_message_comes_back_and_nothing_fails() -> None:
    bench, stage = Bench(), Reader()
    version = await written(bench, "Pinned.")
    await started(bench, version)
    there, bench.documents = bench.documents, AwayDocuments(bench.memory)
    delivery = await bench.run(stage)
    assert delivery.ended[-1] == "back later"
    assert await failures(bench) == []
    bench.documents = there
    await bench.run(stage)
    assert stage.read == ["Pinned."]


async def test_a_redelivered_run_reads_the_same_rules() -> None:
    bench, stage = Bench(), Reader()
    version = await written(bench, "Pinned.")
    await started(bench, version)
    delivery = await bench.delivery()
    await bench.runner(Stage.RESEARCH, stage).handle(delivery)
    await written(bench, "Newer.", version)
    await bench.runner(Stage.RESEARCH, stage).handle(replace(delivery, ended=[]))
    assert stage.read == ["Pinned."]


async def test_a_lagging_replica_is_asked_again_and_a_read_version_is_kept() -> None:
    documents = LateDocuments(MemoryLog())
    documents.late = 3
    said = Document(actor="Ada", at=START, content={"text": "Late."})
    version = await documents.write(RESEARCH, said, 0)
    book = Rulebook("shipped", documents, Stage.RESEARCH)
    assert [await book.text(MAIN, version), await book.text(MAIN, version)] == ["Late."] * 2
    assert documents.asked == 4
    assert await book.text(MAIN, None) == "shipped"


async def test_a_return_to_the_shipped_rules_is_no_text_of_its_own() -> None:
    documents = MemoryDocuments(MemoryLog())
    version = await documents.write(RESEARCH, Document(actor="Ada", at=START), 0)
    book = Rulebook("shipped", documents, Stage.RESEARCH)
    with pytest.raises(Permanent, match=f"version {version}"):
        await book.text(MAIN, version)
