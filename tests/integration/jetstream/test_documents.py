"""Documents on a real server: too many to list at once, rights, damage, the server's death."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from shared.domain.commands import CreatePost
from shared.domain.decide import decide
from shared.domain.documents import (
    Document,
    Kind,
    Standing,
    Version,
    encode_document,
    profile_ref,
    rules_ref,
    settings_ref,
)
from shared.domain.post import Post
from shared.domain.values import PostConfig, Stage
from shared.errors import LogUnavailable, Malformed, TooNew, Unconfirmed
from shared.eventlog import Append
from shared.jetstream import GATEWAY, open_documents, open_inbox, open_log
from shared.jetstream.documents import DEEPEST
from shared.runtime.concurrency import Concurrency
from shared.runtime.desk import Desk, Work
from tests.unit.runtime.bench import POST, START, Bench

if TYPE_CHECKING:
    from shared.jetstream import Connection, JetStreamDocuments
    from tests.integration.jetstream.conftest import Mortal

pytestmark = pytest.mark.integration

MORE_THAN_ONE_ANSWER = 1_100
WRITE = rules_ref("main", Stage.WRITE)
SIGNED = {"Galley-Type": "document", "Galley-Version": "1", "Galley-Producer": GATEWAY}


def document(**content: Any) -> Document:
    return Document(actor="Ada", at=datetime(2026, 1, 1, tzinfo=UTC), content=content)


def profile(name: str) -> Document:
    return document(name=name, created_at="2026-01-01T00:00:00Z")


@pytest.fixture
def documents(gateway: Connection) -> JetStreamDocuments:
    return open_documents(gateway, GATEWAY)


async def put(by: Connection, subject: str, data: bytes, **headers: str) -> int:
    """Past all our checks, straight into the log; where it stands."""
    told = SIGNED | {name.replace("_", "-"): value for name, value in headers.items()}
    return (await by.nc.jetstream().publish(subject, data, headers=told)).seq


async def test_more_documents_than_the_server_lists_at_once_are_listed(
    documents: JetStreamDocuments,
) -> None:
    refs = [profile_ref("main", UUID(int=n)) for n in range(MORE_THAN_ONE_ANSWER)]
    seqs = await asyncio.gather(*(documents.write(ref, profile("one"), 0) for ref in refs))
    newest = await documents.write(refs[0], profile("two"), seqs[0])
    found = await documents.every("main", Kind.PROFILE)
    assert [version.ref for version in found] == [*refs[1:], refs[0]]
    assert found[-1].seq == newest


async def test_a_thousand_documents_are_read_at_once(documents: JetStreamDocuments) -> None:
    refs = [profile_ref("main", UUID(int=n)) for n in range(1_000)]
    await asyncio.gather(*(documents.write(ref, profile("P"), 0) for ref in refs))
    assert set(await documents.latest(refs)) == set(refs)


async def test_a_stage_may_not_write_a_document(
    gateway: Connection, research: Connection, documents: JetStreamDocuments
) -> None:
    with pytest.raises(Unconfirmed):
        await open_documents(research, "research").write(WRITE, document(text="mine"), 0)
    assert await documents.latest([WRITE]) == {}


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"", {}),
        (b"[]", {}),
        (b"\xff", {}),
        (b'{"schema_version": 1}', {}),
        (b'{"schema_version": "x"}', {}),
        (b"[" * 100_000, {}),
        (encode_document(document()), {"Galley_Producer": "research"}),
        (encode_document(document()), {"Galley_Type": "slug"}),
    ],
)
async def test_what_is_no_document_is_named_and_left_out_of_lists(
    admin: Connection,
    gateway: Connection,
    documents: JetStreamDocuments,
    data: bytes,
    headers: dict[str, str],
) -> None:
    good = await documents.write(WRITE, document(text="good"), 0)
    bad = [await put(gateway, WRITE.subject, data, **headers) for _ in range(3)][-1]
    with pytest.raises(Malformed):
        await documents.at(WRITE, bad)
    assert [version.seq for version in await documents.history(WRITE)] == [good]
    for _ in range(2):
        assert (await documents.latest([WRITE]))[WRITE].seq == good
    assert [version.seq for version in await documents.every("main", Kind.RULES)] == [good]
    assert [alarm.name for alarm in gateway.alarms] == ["log.invalid_message"]
    assert f" {bad} " in gateway.alarms[0].detail


async def test_a_good_version_is_put_over_a_damaged_one(
    gateway: Connection, documents: JetStreamDocuments
) -> None:
    await documents.write(WRITE, document(text="good"), 0)
    bad = await put(gateway, WRITE.subject, b"[]")
    stands = (await documents.standing([WRITE]))[WRITE]
    assert stands.above is not None
    assert (stands.top, stands.above.too_new) == (bad, False)
    better = await documents.write(WRITE, document(text="better"), stands.top)
    assert (await documents.standing([WRITE]))[WRITE] == Standing(
        WRITE, Version(WRITE, better, document(text="better"))
    )


async def test_what_was_damaged_from_the_first_is_no_document_and_can_become_one(
    gateway: Connection, documents: JetStreamDocuments
) -> None:
    bad = await put(gateway, WRITE.subject, b"[]")
    assert await documents.latest([WRITE]) == {}
    assert await documents.every("main", Kind.RULES) == ()
    assert await documents.write(WRITE, document(text="good"), bad) > bad


async def test_a_document_of_a_newer_shape_waits_for_newer_code(
    gateway: Connection, documents: JetStreamDocuments
) -> None:
    good = await documents.write(WRITE, document(text="good"), 0)
    newer = await put(gateway, WRITE.subject, b'{"schema_version": 2, "what": "ever"}')
    with pytest.raises(TooNew):
        await documents.at(WRITE, newer)
    stands = (await documents.standing([WRITE]))[WRITE]
    assert stands.version is not None
    assert stands.above is not None
    assert (stands.version.seq, stands.above.too_new, stands.top) == (good, True, newer)


async def test_damage_deeper_than_is_looked_is_built_over_all_the_same(
    gateway: Connection, documents: JetStreamDocuments
) -> None:
    await documents.write(WRITE, document(text="good"), 0)
    for _ in range(DEEPEST + 1):
        top = await put(gateway, WRITE.subject, b"[]")
    stands = (await documents.standing([WRITE]))[WRITE]
    assert (stands.version, stands.top) == (None, top)
    assert await documents.write(WRITE, document(text="better"), top) > top


async def test_with_the_server_gone_reading_fails_and_after_its_return_all_is_there(
    mortal: Mortal,
) -> None:
    ref = settings_ref("main")
    async with mortal.galley.connect(GATEWAY) as connection:
        documents = open_documents(connection, GATEWAY)
        first = await documents.write(ref, document(n=1), 0)
        await mortal.kill()
        with pytest.raises(LogUnavailable):
            await documents.latest([ref])
        with pytest.raises(Unconfirmed):
            await documents.write(ref, document(n=2), first)
        await mortal.start()
        assert await connection.ready(20)
        assert (await documents.latest([ref]))[ref].seq == first
        assert await documents.write(ref, document(n=3), first) > first


async def test_a_stage_works_by_the_rules_and_the_concurrency_it_reads_with_its_own_rights(
    gateway: Connection, research: Connection, documents: JetStreamDocuments
) -> None:
    rules = rules_ref("main", Stage.RESEARCH)
    version = await documents.write(rules, document(text="Pinned."), 0)
    await documents.write(rules, document(text="Newer."), version)
    await documents.write(
        settings_ref("main"), document(values={"concurrency": {"research": 9}}), 0
    )
    config = PostConfig(topic="T", slug="t")
    order = CreatePost(post_id=POST.id, config=config, rules={Stage.RESEARCH: version})
    facts = decide(Post(), order, START)
    await open_log(gateway, GATEWAY).append(Append(ref=POST, facts=facts, after=0))

    told = list[str]()

    async def stage(desk: Desk) -> Work:
        told.append(desk.rules)
        return Work(output="done", summary="done")

    read = open_documents(research, "research")
    concurrency = Concurrency(read, "main", Stage.RESEARCH, 4)
    await concurrency.look()
    bench = Bench(log=open_log(research, "research"))
    bench.documents = read
    delivery, *_ = await open_inbox(research, Stage.RESEARCH).fetch(concurrency.slots)
    await bench.runner(Stage.RESEARCH, stage).handle(delivery)
    assert (told, concurrency.slots) == (["Pinned."], 9)
    done = (await open_log(gateway, GATEWAY).read(POST)).post
    assert done.done(Stage.RESEARCH)
