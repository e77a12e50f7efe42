"""What every event log promises, whatever it is made of."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.domain import events as e
from shared.domain.subjects import PostRef
from shared.domain.values import Stage
from shared.errors import Conflict, ForeignLog, TooLarge, Unconfirmed
from shared.eventlog import MAX_FACT_BYTES, Append, Guarded, Tokens
from shared.testing import NOW, POST
from shared.testing.vocabulary import cancelled, completed, created, edited, requested, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from shared.eventlog import EventLog, Stored
    from tests.contract.conftest import World

HERE = PostRef("main", POST)
BEGINNING = (created(), started(Stage.RESEARCH), requested(Stage.RESEARCH))


async def begin(log: EventLog, ref: PostRef = HERE) -> tuple[int, ...]:
    return await log.append(Append(ref=ref, facts=BEGINNING, after=0))


def line(message: str, **changes: object) -> e.Progressed:
    told = e.Progressed(post_id=POST, at=NOW, stage=Stage.RESEARCH, run=3, message=message)
    return told.model_copy(update=changes)


def claim(key: str = "answer", attempt: int = 1, run: int = 3) -> e.CallStarted:
    return e.CallStarted(
        post_id=POST,
        at=NOW,
        stage=Stage.RESEARCH,
        run=run,
        key=key,
        attempt=attempt,
        token=uuid4().hex,
        provider="perplexity",
        model="a-model",
        request="a digest",
        worst_case_usd=0.5,
    )


def delivery(k: int) -> e.StageStarted:
    return e.StageStarted(post_id=POST, at=NOW, stage=Stage.RESEARCH, run=3, delivery=k, worker="w")


async def collected(log: EventLog, after: int, count: int) -> list[Stored]:
    found: list[Stored] = []
    async with aclosing(log.tail(after)) as batches:  # type: ignore[type-var]
        async for batch in batches:
            found.extend(batch)
            if len(found) >= count:
                break
    return found


# --- reading and appending --------------------------------------------------------------------


async def test_an_unknown_post_is_an_empty_history(world: World) -> None:
    history = await world.gateway.read(PostRef("main", uuid4()), [(Stage.RESEARCH, 1)])

    assert (history.flow, history.calls, history.last) == ((), (), 0)
    assert await world.gateway.last(history.ref) is None


async def test_what_is_appended_is_read_back_in_order(world: World) -> None:
    seqs = await begin(world.gateway)

    history = await world.research.read(HERE)
    assert list(zip(seqs, BEGINNING, strict=True)) == list(history.flow)
    assert history.last == seqs[-1]
    assert await world.research.last(HERE) == history.flow[-1]


async def test_sequences_rise_and_belong_to_the_facts_in_the_order_given(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    facts = (line("done"), completed(Stage.RESEARCH, run=run), requested(Stage.OUTLINE))
    seqs = await world.research.append(Append(ref=HERE, facts=facts, after=run, n=3))

    assert list(seqs) == list(range(run + 1, run + 4))
    assert [each.fact for each in await collected(world.gateway, run, 3)] == list(facts)
    assert (await world.gateway.read(HERE)).last == seqs[-1]


async def test_posts_and_tenants_do_not_mix(world: World) -> None:
    elsewhere = PostRef("other", POST)
    await begin(world.gateway)
    await begin(world.gateway, elsewhere)

    for ref in (HERE, elsewhere):
        assert [fact for _, fact in (await world.gateway.read(ref)).flow] == list(BEGINNING)


async def test_a_read_brings_the_calls_of_the_named_runs_only(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    mine, other = claim(run=run), claim(run=run + 1)
    await world.research.append(Append(ref=HERE, facts=[delivery(1), mine, other]))

    history = await world.research.read(HERE, [(Stage.RESEARCH, run)] * 2)
    assert [fact for _, fact in history.calls if isinstance(fact, e.CallStarted)] == [mine]
    both = await world.research.read(HERE, [(Stage.RESEARCH, run), (Stage.RESEARCH, run + 1)])
    assert [fact for _, fact in both.calls if isinstance(fact, e.CallStarted)] == [mine, other]
    assert (await world.research.read(HERE)).calls == ()


async def test_a_stale_append_is_refused_and_stores_nothing(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    await world.gateway.append(Append(ref=HERE, facts=[cancelled()], after=run, n=3))
    before = await world.gateway.state()
    stale = Append(
        ref=HERE,
        facts=[completed(Stage.RESEARCH, run=run), requested(Stage.OUTLINE), claim()],
        after=run,
        n=3,
    )

    with pytest.raises(Conflict) as refusal:
        await world.research.append(stale)
    assert not isinstance(refusal.value, Unconfirmed)
    assert await world.gateway.state() == before


async def test_a_known_post_cannot_be_created_again(world: World) -> None:
    await begin(world.gateway)
    with pytest.raises(Conflict):
        await begin(world.gateway)


async def test_of_opposing_appends_exactly_one_is_stored(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    opposing = [
        Append(ref=HERE, facts=[cancelled(str(number))], after=run, n=3) for number in range(50)
    ]
    ends = await asyncio.gather(*map(world.gateway.append, opposing), return_exceptions=True)

    assert sum(isinstance(end, tuple) for end in ends) == 1
    assert all(isinstance(end, tuple | Conflict) for end in ends)
    history = await world.gateway.read(HERE)
    assert len(history.flow) == 4
    assert history.post.active is None


async def test_appends_to_different_posts_at_once_are_all_stored(world: World) -> None:
    refs = [PostRef(f"t{number}", POST) for number in range(40)]
    seqs = await asyncio.gather(*(begin(world.gateway, ref) for ref in refs))

    assert len({seq for each in seqs for seq in each}) == 120
    for ref, given in zip(refs, seqs, strict=True):
        assert tuple(seq for seq, _ in (await world.gateway.read(ref)).flow) == given


async def test_a_call_is_claimed_once_by_whoever_was_first(world: World) -> None:
    await begin(world.gateway)
    claims = [Append(ref=HERE, facts=[claim()]) for _ in range(10)]
    ends = await asyncio.gather(*map(world.research.append, claims), return_exceptions=True)

    assert sum(isinstance(end, tuple) for end in ends) == 1
    assert sum(isinstance(end, Conflict) for end in ends) == 9


async def test_an_append_that_asks_nothing_is_stored_whatever_happened(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    await world.gateway.append(Append(ref=HERE, facts=[cancelled()], after=run, n=3))

    await world.research.append(Append(ref=HERE, facts=[claim()]))
    assert len((await world.research.read(HERE, [(Stage.RESEARCH, 3)])).calls) == 1


async def test_a_line_carries_the_expectation_of_calls(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    await world.research.append(Append(ref=HERE, facts=[line("asking"), claim("first")], after=run))
    await world.gateway.append(Append(ref=HERE, facts=[cancelled()], after=run, n=3))

    late = Append(ref=HERE, facts=[claim("second"), line("asking again")], after=run)
    with pytest.raises(Conflict):
        await world.research.append(late)
    history = await world.research.read(HERE, [(Stage.RESEARCH, 3)])
    assert [fact.key for _, fact in history.calls if isinstance(fact, e.CallStarted)] == ["first"]


async def test_an_expectation_nothing_can_carry_is_a_mistake(world: World) -> None:
    with pytest.raises(ValueError, match="carry"):
        await world.research.append(Append(ref=HERE, facts=[claim()], after=0))


async def test_a_guarded_message_is_stored_with_the_facts_or_not_at_all(world: World) -> None:
    slug = Guarded(subject="slugs.main.nobody.a-slug", data=b'{"post":1}')
    seqs = await world.gateway.append(Append(ref=HERE, facts=[created()], after=0, also=[slug]))
    kept = await world.gateway.stored(seqs[-1])
    assert kept is not None
    assert (kept.subject, kept.data, kept.fact) == (slug.subject, slug.data, None)

    second = PostRef("main", uuid4())
    wanted = created().model_copy(update={"post_id": second.id})
    with pytest.raises(Conflict):
        await world.gateway.append(Append(ref=second, facts=[wanted], after=0, also=[slug]))
    assert (await world.gateway.read(second)).flow == ()


async def test_a_guarded_message_follows_exactly_the_one_expected(world: World) -> None:
    subject = "budgets.main.all.x.2026-01"

    def balance(data: bytes, expected: int) -> Append:
        also = [Guarded(subject=subject, data=data, expected=expected)]
        return Append(ref=HERE, facts=[], also=also)

    (first,) = await world.gateway.append(balance(b"1", 0))
    (second,) = await world.research.append(balance(b"2", first))
    with pytest.raises(Conflict):
        await world.gateway.append(balance(b"3", first))
    assert second > first


async def test_a_fact_above_the_cap_is_never_sent(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    before = await world.gateway.state()
    with pytest.raises(TooLarge):
        await world.gateway.append(
            Append(ref=HERE, facts=[edited(Stage.RESEARCH, "x" * MAX_FACT_BYTES)], after=run, n=3)
        )
    assert await world.gateway.state() == before


async def test_a_large_fact_survives(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    text = "grüße 🐕 \x7f " * 20_000
    await world.gateway.append(
        Append(ref=HERE, facts=[edited(Stage.RESEARCH, text)], after=run, n=3)
    )
    last = await world.gateway.last(HERE)
    assert last is not None
    assert isinstance(last.fact, e.ContentEdited)
    assert last.fact.output == text


async def test_an_empty_append_stores_nothing(world: World) -> None:
    before = await world.gateway.state()
    assert await world.gateway.append(Append(ref=HERE, facts=[])) == ()
    assert await world.gateway.state() == before


async def test_a_history_of_a_thousand_facts_is_read_whole(world: World) -> None:
    facts = [created(), *[edited(Stage.RESEARCH, f"text {n}") for n in range(999)]]
    seqs = await world.gateway.append(Append(ref=HERE, facts=facts, after=0))
    await world.research.append(Append(ref=HERE, facts=[claim(key=f"c{n}") for n in range(60)]))

    history = await world.research.read(HERE, [(Stage.RESEARCH, 3)])
    assert tuple(seq for seq, _ in history.flow) == seqs
    assert len(history.calls) == 60


# --- lines ------------------------------------------------------------------------------------


async def test_a_line_said_twice_is_stored_once(world: World) -> None:
    said = [line("one"), line("two"), line("one", at=NOW.replace(hour=13)), line("one", run=4)]
    for each in said:
        await world.research.say(HERE, each)
    found = await collected(world.gateway, 0, 3)
    assert [each.fact for each in found] == [said[0], said[1], said[3]]


async def test_a_line_too_large_is_dropped_and_fails_nothing(world: World) -> None:
    before = await world.gateway.state()
    await world.research.say(HERE, line("x" * MAX_FACT_BYTES))
    assert await world.gateway.state() == before


async def test_only_lines_are_said(world: World) -> None:
    with pytest.raises(TypeError):
        await world.research.say(HERE, requested(Stage.OUTLINE))


# --- following --------------------------------------------------------------------------------


async def test_a_tail_has_everything_after_its_beginning_once_and_in_order(world: World) -> None:
    seqs = [seq for n in range(30) for seq in await begin(world.gateway, PostRef(f"t{n}", POST))]
    found = await collected(world.gateway, seqs[9], 80)

    assert [each.seq for each in found] == seqs[10:]
    assert all(each.ref and each.fact and not each.problem for each in found)
    assert all(each.stored_at is not None and each.stored_at.tzinfo for each in found)


async def test_a_posts_story_is_every_message_of_it_and_of_no_other_in_order(
    world: World,
) -> None:
    other = PostRef("main", uuid4())
    await begin(world.gateway)
    run = (await world.gateway.read(HERE)).last
    await world.research.append(Append(ref=HERE, facts=[claim(run=run)], cause=run))
    for number in range(3):
        await world.research.say(HERE, line(f"line {number}", run=run))
    theirs = [each.model_copy(update={"post_id": other.id}) for each in BEGINNING]
    await world.gateway.append(Append(ref=other, facts=theirs, after=0))
    story = [each async for each in world.gateway.story(HERE)]
    assert [each.seq for each in story] == sorted({each.seq for each in story})
    told = [type(each.fact).__name__ for each in story]
    begun = ["PostCreated", "PipelineStarted", "StageRequested"]
    assert told == [*begun, "CallStarted", *["Progressed"] * 3]
    assert len([each async for each in world.gateway.story(other)]) == 3
    assert [each async for each in world.gateway.story(PostRef("main", uuid4()))] == []


async def test_a_tail_says_when_it_is_quiet_and_goes_on_when_it_is_not(world: World) -> None:
    async with aclosing(world.gateway.tail(0)) as batches:  # type: ignore[type-var]
        assert list(await anext(batches)) == []
        await begin(world.gateway)
        found: list[Stored] = []
        while len(found) < len(BEGINNING):
            found.extend(await anext(batches))
    assert [each.fact for each in found] == list(BEGINNING)


async def test_a_tail_is_told_of_things_that_are_no_facts(world: World) -> None:
    told = Guarded(subject="docs.main.profile.x", data=b"{}")
    await world.gateway.append(Append(ref=HERE, facts=[], also=[told]))
    (found,) = await collected(world.gateway, 0, 1)
    assert (found.subject, found.data, found.ref, found.problem) == (told.subject, b"{}", None, "")


async def test_a_tail_beyond_the_end_is_another_log(world: World) -> None:
    last = (await begin(world.gateway))[-1]
    with pytest.raises(ForeignLog):
        await anext(world.gateway.tail(last + 1))


async def test_a_message_is_found_by_its_sequence(world: World) -> None:
    first, *_, last = await begin(world.gateway)
    found = await world.gateway.stored(first)
    assert found is not None
    assert (found.seq, found.ref, found.fact) == (first, HERE, created())
    assert await world.gateway.stored(last + 1) is None


async def test_the_log_says_who_it_is_and_how_far_it_reaches(world: World) -> None:
    before = await world.gateway.state()
    seqs = await begin(world.gateway)
    after = await world.gateway.state()
    assert before.identity == after.identity != ""
    assert after.last == before.last + len(BEGINNING) == seqs[-1]


# --- requests ---------------------------------------------------------------------------------


async def begun(world: World, count: int) -> list[int]:
    return [(await begin(world.gateway, PostRef(f"t{n}", POST)))[-1] for n in range(count)]


async def test_an_inbox_lends_the_requests_of_its_stage(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    await world.research.append(
        Append(
            ref=HERE,
            facts=[completed(Stage.RESEARCH, run=run), requested(Stage.OUTLINE)],
            after=run,
            n=3,
        )
    )
    (lent,) = await world.inbox.fetch(10)
    assert (lent.ref, lent.seq, lent.request) == (HERE, run, requested(Stage.RESEARCH))
    await lent.still_working()
    await lent.ack()


async def test_an_inbox_lends_no_more_than_asked_for(world: World) -> None:
    runs = await begun(world, 5)
    lent = [*(await world.inbox.fetch(2)), *(await world.inbox.fetch(1))]
    assert [each.seq for each in lent] == runs[:3]
    rest = await world.inbox.fetch(10)
    assert [each.seq for each in rest] == runs[3:]


async def test_an_empty_inbox_says_so(world: World) -> None:
    assert list(await world.inbox.fetch(1)) == []
    assert list(await world.inbox.fetch(5)) == []


async def test_what_is_handed_back_comes_again_and_what_is_acked_does_not(world: World) -> None:
    runs = await begun(world, 2)
    settled, returned = await world.inbox.fetch(2)
    await settled.ack()
    await returned.hand_back()

    again: Sequence[object] = ()
    while not again:
        again = [each.seq for each in await world.inbox.fetch(2)]
    assert again == [runs[1]]


# --- media and live text ----------------------------------------------------------------------


async def test_media_come_back_as_they_were_put(world: World) -> None:
    names = {f"{POST}/{n}": bytes([n]) * size for n, size in enumerate((0, 1, 400_000))}
    for name, data in names.items():
        await world.media.put(name, data)
        await world.media.put(name, data)
    assert {name: await world.media.get(name) for name in names} == names
    assert await world.media.get(f"{POST}/none") is None


async def test_media_are_removed_by_prefix(world: World) -> None:
    for name in ("a/1", "a/2", "ab/1"):
        await world.media.put(name, b"bytes")
    assert await world.erased_by.remove("a/") == 2
    assert await world.erased_by.remove("a/") == 0
    assert [await world.media.get(name) for name in ("a/1", "a/2", "ab/1")] == [
        None,
        None,
        b"bytes",
    ]
    await world.media.put("a/1", b"again")
    assert await world.media.get("a/1") == b"again"
    assert await world.erased_by.remove("") == 2


async def test_live_text_reaches_who_listens_and_waits_for_nobody(world: World) -> None:
    pieces = [
        Tokens(stage=Stage.RESEARCH, run=3, key="draft", attempt=1, offset=n, text=f"{n} wörds\n")
        for n in range(100)
    ]
    await world.told_by.publish(HERE, pieces[0])
    async with world.heard_by.subscribe() as heard:
        first = asyncio.ensure_future(anext(heard))
        while not first.done():
            await world.told_by.publish(HERE, pieces[0])
            await asyncio.wait({first}, timeout=0.05)
        for piece in pieces[1:]:
            await world.told_by.publish(HERE, piece)
        found = [piece async for _, piece in _until(heard, pieces[-1])]
    assert await first == (HERE, pieces[0])
    assert [piece for piece in found if piece.offset] == pieces[1:]


async def _until(
    heard: AsyncIterator[tuple[PostRef, Tokens]], last: Tokens
) -> AsyncIterator[tuple[PostRef, Tokens]]:
    async for ref, piece in heard:
        yield ref, piece
        if piece == last:
            return
