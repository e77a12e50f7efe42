"""Reading on a real server: what does not belong to a history is left out, and somebody is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.domain import events as e
from shared.domain.subjects import subject_of
from shared.domain.upcast import encode
from shared.domain.values import Stage
from shared.errors import Conflict, LogUnavailable, TooNew
from shared.eventlog import Append, History
from shared.jetstream import GATEWAY, connect, open_log
from shared.jetstream.direct import Direct
from shared.testing.vocabulary import (
    cancelled,
    completed,
    created,
    deleted,
    edited,
    requested,
)
from tests.integration.jetstream.stories import (
    begin,
    claim,
    envelope,
    facts_of,
    following,
    forge,
    forge_raw,
    heard,
    new_post,
    of,
)

if TYPE_CHECKING:
    from nats.aio.msg import Msg

    from shared.domain.subjects import PostRef
    from shared.jetstream import Connection, JetStreamLog
    from shared.local.nats_server import NatsServer
    from tests.integration.jetstream.conftest import Mortal
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration


@pytest.fixture
def ref() -> PostRef:
    return new_post()


async def handed_on(log: JetStreamLog, ref: PostRef, run: int) -> History:
    """Research is complete: two more facts."""
    done = of(ref, completed(Stage.RESEARCH, run=run))
    facts = [done, of(ref, requested(Stage.OUTLINE))]
    await log.append(Append(ref=ref, facts=facts, after=run, n=3))
    return await log.read(ref)


def left_out(connection: Connection) -> list[str]:
    return [alarm.detail for alarm in connection.alarms if alarm.name == "log.invalid_message"]


async def test_a_fact_that_hides_an_earlier_one_is_left_out_and_alarmed_once(
    log: JetStreamLog, research_log: JetStreamLog, research: Connection, ref: PostRef
) -> None:
    run = await begin(log, ref)
    before = await handed_on(research_log, ref, run)
    other = of(ref, completed(Stage.RESEARCH, "something else", run=run))
    seq = await forge(research, ref, other, 3)

    assert await research_log.read(ref) == before
    assert await research_log.read(ref) == before
    assert len(left_out(research)) == 1
    assert str(seq) in left_out(research)[0]


async def test_a_damaged_post_goes_on(
    log: JetStreamLog, research_log: JetStreamLog, research: Connection, ref: PostRef
) -> None:
    run = await begin(log, ref)
    before = await handed_on(research_log, ref, run)
    await forge(research, ref, of(ref, completed(Stage.RESEARCH, "else", run=run)), 3)
    await forge(research, ref, of(ref, requested(Stage.OUTLINE)), 9)

    history = await log.read(ref)
    assert history == before
    stop = Append(ref=ref, facts=[of(ref, cancelled())], after=history.last, n=history.post.n)
    (seq,) = await log.append(stop)
    with pytest.raises(Conflict):
        await log.append(stop)
    after = await log.read(ref)
    assert facts_of(after.flow) == [*facts_of(before.flow), of(ref, cancelled())]
    more = Append(ref=ref, facts=[of(ref, edited(Stage.RESEARCH, "x"))], after=seq, n=after.post.n)
    await log.append(more)
    assert (await research_log.read(ref)).post.n == after.post.n + 1


async def test_a_message_without_an_expectation_adds_nothing(
    log: JetStreamLog, research: Connection, ref: PostRef
) -> None:
    run = await begin(log, ref)
    await forge(research, ref, of(ref, completed(Stage.RESEARCH, run=run)), 3)
    assert (await log.read(ref)).last == run


async def test_a_message_that_borrows_the_batch_of_its_predecessor_adds_nothing(
    log: JetStreamLog, research: Connection, admin: Connection, ref: PostRef
) -> None:
    run = await begin(log, ref)
    last = await admin.nc.jetstream().get_msg("GALLEY", run)
    batch = (last.headers or {})["Nats-Batch-Id"]
    fact = of(ref, completed(Stage.RESEARCH, run=run))
    borrowed = {
        "Nats-Batch-Id": batch,
        "Nats-Batch-Sequence": "1",
        "Nats-Batch-Commit": "1",
    }
    seq = await forge(research, ref, fact, 3, headers=envelope(fact, "research") | borrowed)
    assert seq == run + 1
    assert (await log.read(ref)).last == run


async def test_a_message_that_is_no_fact_adds_nothing_though_it_follows(
    log: JetStreamLog, research_log: JetStreamLog, research: Connection, ref: PostRef
) -> None:
    seq = run = await begin(log, ref)
    fact = of(ref, completed(Stage.RESEARCH, run=run))
    proper = envelope(fact, "research")
    for headers, data in (
        ({}, encode(fact)),
        (proper, b"not json"),
        (proper, b""),
        (proper, encode(fact).replace(str(ref.id).encode(), str(new_post().id).encode())),
        (proper | {"Galley-Version": "0"}, encode(fact)),
        (proper | {"Galley-Version": "one"}, encode(fact)),
        (proper | {"Galley-Version": "-1"}, encode(fact)),
        (proper | {"Galley-Version": ""}, encode(fact)),
        (proper | {"Galley-Producer": "outline"}, encode(fact)),
        (proper | {"Galley-Producer": "nobody"}, encode(fact)),
        (envelope(created(), "research"), encode(of(ref, created()))),
    ):
        seq = await forge(research, ref, fact, 3, headers=headers | following(ref, seq), data=data)
    history = await log.read(ref)
    assert history.last == run
    last = await log.last(ref)
    assert last is not None
    assert last.seq == run
    assert (await research_log.read(ref)) == history
    assert (await handed_on(research_log, ref, run)).post.n == 5


@pytest.mark.parametrize(
    "trick",
    [
        "{exact}: {mine}\r\n{exact}-Subject: {own}",
        "{exact}: {mine}\r\n{exact}-Subject: {own}\r\n{exact}: {run}\r\n{exact}-Subject: {flow}",
        "{exact}: {run}\r\n{exact}-Subject: {request}",
        "{exact} : {run}\r\n{exact}-Subject : {flow}",
        "\u00a0{exact}: {run}\r\n\u00a0{exact}-Subject: {flow}",
        "{exact}: {mine}",
        "Nats-Sequence: {mine}",
        "Status: 204\r\nNats-Num-Pending: 0",
        ": x",
    ],
)
async def test_a_fact_is_not_replaced_by_one_whose_expectation_nobody_checked(
    log: JetStreamLog, research_log: JetStreamLog, research: Connection, ref: PostRef, trick: str
) -> None:
    run = await begin(log, ref)
    done, other = (of(ref, completed(Stage.RESEARCH, text, run=run)) for text in ("mine", "else"))
    (mine,) = await research_log.append(Append(ref=ref, facts=[done], after=run, n=3))
    before, subject = await log.state(), subject_of(ref, other, 3)
    told = trick.format(
        exact="Nats-Expected-Last-Subject-Sequence",
        run=run,
        mine=mine,
        flow=ref.flow,
        own=subject,
        request=subject_of(ref, requested(Stage.RESEARCH), 2),
    )
    headers = "\r\n".join(f"{name}: {value}" for name, value in envelope(done, "research").items())
    await forge_raw(research, subject, f"{headers}\r\n{told}".encode(), encode(other))
    while (await log.state()).last == before.last:
        continue
    assert (await log.read(ref)).flow[-1] == (mine, done)


async def test_a_fact_newer_than_this_code_stops_the_reader(
    log: JetStreamLog, research: Connection, ref: PostRef
) -> None:
    run = await begin(log, ref)
    fact = of(ref, completed(Stage.RESEARCH, run=run))
    newer = envelope(fact, "research") | {"Galley-Version": "99"}
    await forge(research, ref, fact, 3, headers=newer | following(ref, run), data=b'{"new":1}')
    with pytest.raises(TooNew):
        await log.read(ref)
    with pytest.raises(TooNew):
        await log.last(ref)


async def test_a_call_is_what_was_written_first(
    research_log: JetStreamLog, research: Connection, ref: PostRef
) -> None:
    mine = claim(ref)
    await research_log.append(Append(ref=ref, facts=[mine]))
    await forge(research, ref, claim(ref))
    await forge(research, ref, claim(ref, "another"))

    history = await research_log.read(ref, [(Stage.RESEARCH, 1)])
    assert facts_of(history.calls) == [mine]
    assert len(left_out(research)) == 2


async def test_more_calls_than_one_answer_holds_are_read_in_order(
    log: JetStreamLog, research_log: JetStreamLog, ref: PostRef
) -> None:
    run = await begin(log, ref)
    keys = [f"c{n}" for n in range(2100)]
    await research_log.append(Append(ref=ref, facts=[claim(ref, key) for key in keys]))
    history = await research_log.read(ref, [(Stage.RESEARCH, 1), (Stage.RESEARCH, 2)])
    assert [fact.key for fact in facts_of(history.calls) if isinstance(fact, e.CallStarted)] == keys
    assert history.last == run


async def test_a_history_may_begin_with_its_tombstone(
    log: JetStreamLog, gateway: Connection, galley_nats: GalleyNats, ref: PostRef
) -> None:
    run = await begin(log, ref)
    edits = [of(ref, edited(Stage.RESEARCH, str(n))) for n in range(20)]
    seqs = await log.append(Append(ref=ref, facts=edits, after=run, n=3))
    (end,) = await log.append(Append(ref=ref, facts=[of(ref, deleted())], after=seqs[-1], n=23))
    async with galley_nats.connect("eraser") as eraser:
        for below in (seqs[5], seqs[-1], end):
            await eraser.nc.jetstream().purge_stream("GALLEY", seq=below, subject=f"{ref.prefix}.>")
            history = await log.read(ref)
            assert history.flow == (e.Recorded(end, of(ref, deleted())),)
            assert history.post.deleted
        assert list(eraser.alarms) == []
    assert left_out(gateway) == []
    with pytest.raises(Conflict):
        await begin(log, ref)


async def test_a_thousand_long_facts_are_read_whole(log: JetStreamLog, ref: PostRef) -> None:
    text = "x" * 30_000
    facts = [created(), *[edited(Stage.RESEARCH, f"{n}{text}") for n in range(999)]]
    seqs = await log.append(Append(ref=ref, facts=[of(ref, fact) for fact in facts], after=0))
    assert tuple(seq for seq, _ in (await log.read(ref)).flow) == seqs


async def test_an_answer_that_is_lost_or_torn_is_asked_for_again(nats_server: NatsServer) -> None:
    """A cluster may lose any message on its way; this server does it on purpose."""
    asked: list[bytes] = []

    async def answer(msg: Msg) -> None:
        asked.append(msg.data)
        parts = {2: (1,), 3: (0, 1)}.get(len(asked), ())
        for part in parts:
            told = {
                "Nats-Sequence": str(part + 1),
                "Nats-Subject": f"some.{part}",
                "Nats-Num-Pending": str(1 - part) if len(asked) > 2 else "1",
            }
            await server.nc.publish(msg.reply, b"data", headers=told)
        if parts:
            await server.nc.publish(msg.reply, b"", headers={"Status": "204"})

    async with (
        connect(nats_server.url, "server", "", "test") as server,
        connect(nats_server.url, "client", "", "test") as client,
    ):
        subject = "$JS.API.DIRECT.GET.TORN"
        await server.nc.subscribe(subject, cb=answer)
        await heard(server)
        found = await Direct(client, "TORN").latest(["some.>"])
    assert [item.seq for item in found] == [1, 2]
    assert len(asked) == 3


async def test_without_a_server_reading_ends_with_an_error(mortal: Mortal) -> None:
    async with mortal.galley.connect(GATEWAY) as connection:
        log, ref = open_log(connection, GATEWAY), new_post()
        run = await begin(log, ref)
        await mortal.kill()
        with pytest.raises(LogUnavailable):
            await log.read(ref)
        with pytest.raises(LogUnavailable):
            await log.state()
        await mortal.start()
        assert (await log.read(ref)).last == run
