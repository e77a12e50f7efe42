"""What every store of documents promises, in memory and on a real server alike."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shared.domain.documents import (
    Document,
    Kind,
    Standing,
    Version,
    decode_document,
    encode_document,
    profile_ref,
    rules_ref,
    settings_in,
    settings_ref,
)
from shared.domain.values import CommandRef, Stage
from shared.errors import Conflict, TooLarge
from shared.eventlog import MAX_FACT_BYTES

if TYPE_CHECKING:
    from tests.contract.conftest import World

SETTINGS = settings_ref("main")
WRITE = rules_ref("main", Stage.WRITE)
ONE, TWO = (profile_ref("main", UUID(int=number)) for number in (1, 2))
AT = datetime(2026, 1, 1, tzinfo=UTC)


def document(**content: Any) -> Document:
    by = CommandRef(id=UUID(int=9), digest="d", actor="Ada")
    return Document(actor="Ada", at=AT, command=by, content=content)


def profile(name: str = "P") -> Document:
    return document(name=name, created_at=AT.isoformat())


GONE = Document(actor="Ada", at=AT)


async def test_what_was_never_written_is_not_there(world: World) -> None:
    assert await world.documents.latest([SETTINGS, ONE]) == {}
    assert await world.documents.latest([]) == {}
    assert await world.documents.every("main", Kind.PROFILE) == ()
    assert await world.documents.history(WRITE) == ()
    assert await world.documents.at(WRITE, 1) is None
    assert await world.documents.at(WRITE, 0) is None
    assert await world.documents.at(WRITE, -1) is None


async def test_the_newest_version_is_read_whole(world: World) -> None:
    said = document(text="Größe \u2028 \U0001f415", nested={"a": [1, 2.5, None, True]})
    first = await world.documents.write(WRITE, document(text="old"), 0)
    second = await world.documents.write(WRITE, said, first)
    assert await world.documents.latest([WRITE, SETTINGS]) == {WRITE: Version(WRITE, second, said)}
    assert second > first


async def test_every_version_stays_readable(world: World) -> None:
    versions = list[Version]()
    for number in range(3):
        after = versions[-1].seq if versions else 0
        seq = await world.documents.write(WRITE, document(text=str(number)), after)
        versions.append(Version(WRITE, seq, document(text=str(number))))
    await world.documents.write(SETTINGS, document(), 0)
    assert list(await world.documents.history(WRITE)) == versions
    for version in versions:
        assert await world.documents.at(WRITE, version.seq) == version


async def test_a_version_is_found_under_its_own_document_only(world: World) -> None:
    seq = await world.documents.write(WRITE, document(text="x"), 0)
    assert await world.documents.at(rules_ref("main", Stage.EDIT), seq) is None
    assert await world.documents.at(rules_ref("other", Stage.WRITE), seq) is None
    assert await world.documents.at(WRITE, seq + 1_000) is None


async def test_a_stage_reads_what_the_gateway_wrote(world: World) -> None:
    seq = await world.documents.write(WRITE, document(text="x"), 0)
    found = await world.read_by_research.at(WRITE, seq)
    assert found == Version(WRITE, seq, document(text="x"))
    assert (await world.read_by_research.latest([WRITE]))[WRITE] == found


async def test_who_has_not_read_the_newest_version_writes_nothing(world: World) -> None:
    first = await world.documents.write(ONE, profile("a"), 0)
    for after in (0, first + 1):
        with pytest.raises(Conflict):
            await world.documents.write(ONE, profile("b"), after)
    assert len(await world.documents.history(ONE)) == 1


async def test_of_ten_writers_at_once_one_wins(world: World) -> None:
    first = await world.documents.write(ONE, profile("a"), 0)
    writing = [world.documents.write(ONE, profile(str(n)), first) for n in range(10)]
    done = await asyncio.gather(*writing, return_exceptions=True)
    assert sum(isinstance(each, int) for each in done) == 1
    assert sum(isinstance(each, Conflict) for each in done) == 9
    assert len(await world.documents.history(ONE)) == 2


async def test_different_documents_are_written_side_by_side(world: World) -> None:
    refs = [profile_ref("main", UUID(int=number)) for number in range(20)]
    seqs = await asyncio.gather(*(world.documents.write(ref, profile(), 0) for ref in refs))
    found = await world.documents.latest(refs)
    assert {ref: version.seq for ref, version in found.items()} == dict(
        zip(refs, seqs, strict=True)
    )


async def test_all_of_a_kind_are_the_newest_of_each_and_of_no_other_tenant(world: World) -> None:
    old = await world.documents.write(ONE, profile("a"), 0)
    two = await world.documents.write(TWO, profile("b"), 0)
    new = await world.documents.write(ONE, GONE, old)
    await world.documents.write(profile_ref("other", UUID(int=1)), profile(), 0)
    await world.documents.write(SETTINGS, document(), 0)
    assert list(await world.documents.every("main", Kind.PROFILE)) == [
        Version(TWO, two, profile("b")),
        Version(ONE, new, GONE),
    ]


async def test_a_kind_is_found_of_every_tenant_as_it_stands(world: World) -> None:
    other = profile_ref("other", UUID(int=1))
    old = await world.documents.write(ONE, profile("a"), 0)
    there = await world.documents.write(other, profile("b"), 0)
    await world.documents.write(SETTINGS, document(), 0)
    newest = await world.documents.write(ONE, GONE, old)
    assert list(await world.documents.everywhere(Kind.PROFILE)) == [
        Standing(other, Version(other, there, profile("b"))),
        Standing(ONE, Version(ONE, newest, GONE)),
    ]
    assert list(await world.documents.everywhere(Kind.KEY)) == []


async def test_pages_go_from_the_newest_version_to_the_oldest(world: World) -> None:
    seqs = [0]
    for number in range(5):
        seqs.append(await world.documents.write(WRITE, document(text=str(number)), seqs[-1]))
        await world.documents.write(profile_ref("main", UUID(int=number)), profile(), 0)
    first = await world.documents.page(WRITE, 2)
    second = await world.documents.page(WRITE, 2, first[-1].seq)
    third = await world.documents.page(WRITE, 2, second[-1].seq)
    assert [each.seq for page in (first, second, third) for each in page] == seqs[:0:-1]
    assert await world.documents.page(WRITE, 2, third[-1].seq) == []
    assert await world.documents.page(WRITE, 2, 1) == []
    assert await world.documents.page(SETTINGS, 2) == []


async def test_a_document_above_the_cap_is_never_sent(world: World) -> None:
    with pytest.raises(TooLarge):
        await world.documents.write(WRITE, document(text="x" * MAX_FACT_BYTES), 0)
    assert await world.documents.latest([WRITE]) == {}


async def test_documents_are_no_facts_to_who_follows_the_log(world: World) -> None:
    seq = await world.documents.write(WRITE, document(text="x"), 0)
    stored = await world.gateway.stored(seq)
    assert stored is not None
    assert (stored.subject, stored.fact, stored.problem) == (WRITE.subject, None, "")


@pytest.mark.parametrize("word", ["", "a.b", "*", ">", "a b", "ä", "x" * 65])
def test_an_address_is_one_plain_word(word: str) -> None:
    with pytest.raises(ValueError, match="plain words"):
        type(ONE)("main", Kind.PROFILE, word)
    with pytest.raises(ValueError, match="plain words"):
        type(ONE)(word, Kind.PROFILE, "x")


def test_a_document_stored_in_the_first_shape_reads_for_ever() -> None:
    stored = (
        b'{"schema_version":1,"actor":"Ada","at":"2026-01-01T00:00:00Z","command":{"id":'
        b'"00000000-0000-0000-0000-000000000009","digest":"d","actor":"Ada","facts":1},'
        b'"content":{"values":{"concurrency":{"write":7},"colour":"red"}}}'
    )
    read = decode_document(stored)
    assert read == document(values={"concurrency": {"write": 7}, "colour": "red"})
    assert encode_document(read) == stored
    assert settings_in(Version(SETTINGS, 1, read)).concurrency == {Stage.WRITE: 7}
