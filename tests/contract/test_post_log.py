"""What every log promises to those who make posts, many at once, and to those who delete them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.domain.events import CallStarted
from shared.domain.subjects import PostRef
from shared.errors import Conflict
from shared.eventlog import Append, Guarded
from shared.testing import POST
from shared.testing.vocabulary import created, deleted
from tests.contract.test_event_log import BEGINNING, HERE, begin, claim, delivery, line

if TYPE_CHECKING:
    from shared.eventlog import CallJournal
    from tests.contract.conftest import World


def creation(ref: PostRef, *, after: int = 0, slug: str = "") -> Append:
    also = [Guarded(subject=f"slugs.main.none.{slug}", data=b"x")] if slug else []
    fact = created().model_copy(update={"post_id": ref.id})
    return Append(ref=ref, facts=[fact], after=after, also=also)


def some(count: int) -> list[PostRef]:
    return [PostRef("main", uuid4()) for _ in range(count)]


def deletion(after: int, journal: CallJournal) -> Append:
    return Append(
        ref=HERE, facts=[line("deleted"), deleted()], after=after, n=3, calls=journal.reaches
    )


# --- the whole call journal -------------------------------------------------------------------


async def test_the_call_journal_has_the_calls_of_every_run_and_says_where_it_ends(
    world: World,
) -> None:
    assert await world.gateway.calls(HERE) == ((), 0)
    await begin(world.gateway)
    await begin(world.gateway, PostRef("other", POST))
    facts = [claim(run=3), delivery(1), claim(run=9)]
    seqs = await world.research.append(Append(ref=HERE, facts=facts))
    journal = await world.gateway.calls(HERE)
    assert list(journal.facts) == list(zip(seqs, facts, strict=True))
    assert journal.reaches == seqs[-1]


async def test_a_journal_of_thousands_is_read_whole(world: World) -> None:
    facts = [claim(key=f"c{number}") for number in range(1_500)]
    seqs = await world.research.append(Append(ref=HERE, facts=facts))
    journal = await world.gateway.calls(HERE)
    assert ([seq for seq, _ in journal.facts], journal.reaches) == (list(seqs), seqs[-1])


async def test_a_deletion_is_stored_when_flow_and_calls_are_as_read(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    await world.research.append(Append(ref=HERE, facts=[claim()]))
    await world.gateway.append(deletion(run, await world.gateway.calls(HERE)))
    assert (await world.gateway.read(HERE)).post.deleted


async def test_a_deletion_of_a_post_without_calls_is_stored(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    await world.gateway.append(deletion(run, await world.gateway.calls(HERE)))
    assert (await world.gateway.read(HERE)).post.deleted


@pytest.mark.parametrize("known", [0, 1])
async def test_a_deletion_that_has_not_seen_a_call_is_refused_whole(
    world: World, known: int
) -> None:
    run = (await begin(world.gateway))[-1]
    for number in range(known):
        await world.research.append(Append(ref=HERE, facts=[claim(f"k{number}")]))
    journal = await world.gateway.calls(HERE)
    await world.research.append(Append(ref=HERE, facts=[claim("late")]))
    before = await world.gateway.state()
    with pytest.raises(Conflict):
        await world.gateway.append(deletion(run, journal))
    assert await world.gateway.state() == before


async def test_what_is_expected_of_the_calls_needs_a_line_beside_a_flow_fact(world: World) -> None:
    await begin(world.gateway)
    for facts in ([deleted()], [line("deleted")]):
        with pytest.raises(ValueError, match="carry"):
            await world.gateway.append(Append(ref=HERE, facts=facts, after=3, n=3, calls=0))


async def test_a_claim_and_a_deletion_at_once_know_of_each_other(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    journal = await world.gateway.calls(HERE)
    claiming = Append(ref=HERE, facts=[line("asking"), claim()], after=run)
    ends = await asyncio.gather(
        world.research.append(claiming),
        world.gateway.append(deletion(run, journal)),
        return_exceptions=True,
    )
    assert sorted(isinstance(end, Conflict) for end in ends) == [False, True]


async def test_the_last_message_of_many_subjects_is_had_in_one_look(world: World) -> None:
    run = (await begin(world.gateway))[-1]
    first, other = "budgets.main.day.all.2026-01-01", "budgets.main.day.all.2026-01-02"
    assert await world.gateway.latest([]) == {}
    assert await world.gateway.latest([first, other]) == {}
    told = [(first, b"one", 0), (first, b"two", None), (other, b"three", 0)]
    before = 0
    for subject, data, expected in told:
        guarded = Guarded(subject=subject, data=data, expected=before if expected is None else 0)
        (before,) = await world.gateway.append(Append(ref=HERE, facts=(), also=[guarded]))
    ended = f"{HERE.prefix}.call.research.{run}.draft.1.started"
    await world.research.append(Append(ref=HERE, facts=[claim(run=run, key="draft")]))
    found = await world.gateway.latest([first, other, ended])
    assert {subject: each.data for subject, each in found.items() if subject != ended} == {
        first: b"two",
        other: b"three",
    }
    assert isinstance(found[ended].fact, CallStarted)


# --- many posts at once -----------------------------------------------------------------------


async def test_many_posts_are_stored_together_in_the_order_given(world: World) -> None:
    refs = some(30)
    appends = [creation(ref, slug=f"s{place}") for place, ref in enumerate(refs)]
    stored = await world.gateway.append_all(appends)
    first = stored[0][0]
    assert [seq for each in stored for seq in each] == list(range(first, first + 60))
    for ref, seqs in zip(refs, stored, strict=True):
        assert [seq for seq, _ in (await world.research.read(ref)).flow] == [seqs[0]]


async def test_one_that_cannot_be_stored_keeps_all_from_being_stored(world: World) -> None:
    refs = some(5)
    await world.gateway.append(creation(refs[3]))
    before = await world.gateway.state()
    with pytest.raises(Conflict):
        await world.gateway.append_all([creation(ref) for ref in refs])
    assert await world.gateway.state() == before


async def test_one_slug_that_is_taken_keeps_all_from_being_stored(world: World) -> None:
    await world.gateway.append(creation(some(1)[0], slug="mine"))
    before = await world.gateway.state()
    with pytest.raises(Conflict):
        await world.gateway.append_all(
            [creation(ref, slug=slug) for ref, slug in zip(some(2), ("free", "mine"), strict=True)]
        )
    assert await world.gateway.state() == before


async def test_two_appends_that_touch_the_same_are_a_mistake(world: World) -> None:
    one, other = some(2)
    for appends in (
        [creation(one), creation(one)],
        [creation(one, slug="s"), creation(other, slug="s")],
    ):
        with pytest.raises(ValueError, match="at once"):
            await world.gateway.append_all(appends)


async def test_nothing_stored_together_is_nothing(world: World) -> None:
    before = await world.gateway.state()
    assert await world.gateway.append_all([]) == ()
    assert await world.gateway.append_all([Append(ref=HERE, facts=[])]) == ((),)
    assert await world.gateway.state() == before


async def test_batches_and_lone_appends_at_once_are_all_stored(world: World) -> None:
    lone, together = some(10), some(200)
    await asyncio.gather(
        *(world.gateway.append(creation(ref)) for ref in lone),
        world.gateway.append_all([creation(ref) for ref in together]),
    )
    for ref in [*lone, *together]:
        assert len((await world.gateway.read(ref)).flow) == 1


async def test_a_batch_may_hold_four_thousand_messages(world: World) -> None:
    appends = [
        Append(
            ref=ref,
            facts=[fact.model_copy(update={"post_id": ref.id}) for fact in BEGINNING],
            after=0,
            also=[Guarded(subject=f"slugs.main.none.{ref.id}", data=b"x")],
        )
        for ref in some(1_000)
    ]
    stored = await world.gateway.append_all(appends)
    assert stored[-1][-1] - stored[0][0] == 3_999


# --- the last message at a subject ------------------------------------------------------------


async def test_the_newest_message_at_a_subject_is_found(world: World) -> None:
    subject = "slugs.main.none.mine"
    assert await world.gateway.newest(subject) is None
    (first,) = await world.gateway.append(
        Append(ref=HERE, facts=[], also=[Guarded(subject=subject, data=b"1")])
    )
    (second,) = await world.gateway.append(
        Append(ref=HERE, facts=[], also=[Guarded(subject=subject, data=b"2", expected=first)])
    )
    found = await world.gateway.newest(subject)
    assert found is not None
    assert (found.seq, found.data, found.subject) == (second, b"2", subject)


async def test_media_of_several_posts_are_removed_at_once(world: World) -> None:
    names = ("a/1", "b/1", "c/1")
    for name in names:
        await world.media.put(name, b"bytes")
    assert await world.erased_by.remove("a/", "b/") == 2  # type: ignore[call-arg]
    assert [await world.media.get(name) for name in names] == [None, None, b"bytes"]
