"""The outbound webhook: signed, at least once, each attempt a fact, and never twice by mistake."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid5

import pytest
import structlog

from services.gateway.notices.due import Due
from services.gateway.notices.sending import open_sender
from services.gateway.notices.telling import Notices, Signing
from services.projector.projection import project
from shared.domain import events as e
from shared.domain.commands import DeletePost
from shared.domain.documents import Webhook
from shared.domain.notices import EVENTS, PAUSES_S
from shared.domain.values import Stage
from shared.errors import Conflict, LogUnavailable
from tests.unit.gateway.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from shared.domain.events import AnyNotice
    from tests.unit.gateway.conftest import House

SECRET = "a secret of sixteen and more"


@dataclass
class Office:
    """A gateway that tells a receiver. `wanted` are the events it asks for."""

    house: House
    receiver: Receiver
    notices: Notices
    wanted: list[str] = field(default_factory=lambda: list(EVENTS))
    replicas: list[Notices] = field(default_factory=list)

    @property
    def rows(self) -> list[Due]:
        """What the projector would say is due now."""
        found = []
        for row in project(self.house.events.messages, {}).notices:
            if row.due_at is not None and row.due_at <= self.house.at[0]:
                due = Due(self.house.ref(row.post_id), row.seq, row.event, row.attempt)  # type: ignore[arg-type]  # a row says it as text
                found.append(due._replace(lost=row.state == "sending"))
        return found

    async def tell(self) -> None:
        """One turn of the loop."""
        for each in self.rows:
            await self.notices.attend(each)

    def facts(self) -> list[AnyNotice]:
        told = (each.fact for each in self.house.events.messages)
        return [fact for fact in told if isinstance(fact, e.NoticeFact)]

    def names(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts()]

    async def waiting(self) -> UUID:
        """A post whose research waits for a person."""
        post = await self.house.posted(stage_settings={"research": "review"})
        await self.house.complete(post, Stage.RESEARCH)
        return post


@pytest.fixture
async def office(house: House) -> AsyncIterator[Office]:
    async with receiving() as receiver, open_sender(private=True, deadline_s=5) as sender:
        made: list[Office] = []

        async def configured(_tenant: str) -> Webhook | None:
            if not made[0].wanted:
                return None
            return Webhook(url=f"{receiver.url}/hook?t=URLTOKEN", events=tuple(made[0].wanted))

        def replica(secret: str | None = SECRET) -> Notices:
            return Notices(house.gateway, sender, configured, Signing(secret, "https://desk"))

        office = Office(house, receiver, replica(), replicas=[replica(), replica(None)])
        made.append(office)
        yield office


async def test_a_waiting_review_is_told_once_and_signed(office: Office) -> None:
    post = await office.waiting()
    await office.tell()
    await office.tell()
    (got,) = office.receiver.got
    (review,) = [
        m.seq for m in office.house.events.messages if isinstance(m.fact, e.ReviewRequested)
    ]
    assert got.told == {
        "id": str(uuid5(post, str(review))),
        "event": "review",
        "post_id": str(post),
        "slug": "a-topic",
        "seq": review,
        "stage": "research",
        "review": review,
        "message": "Research is ready and waits for a person (review)",
        "url": f"https://desk/api/posts/{post}",
        "at": office.house.at[0].isoformat(),
    }
    assert got.headers["galley-event"] == "review"
    assert got.headers["galley-delivery"] == got.told["id"]
    assert got.headers["content-type"] == "application/json"
    assert office.names() == ["NoticeStarted", "NoticeDelivered"]


async def test_the_signature_can_be_verified_as_the_manual_says(office: Office) -> None:
    await office.waiting()
    await office.tell()
    (got,) = office.receiver.got
    timestamp = got.headers["galley-timestamp"]
    assert int(timestamp) == int(office.house.at[0].timestamp())
    signed = timestamp.encode() + b"." + got.body
    expected = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(expected, got.headers["galley-signature"])


async def test_a_parked_failure_and_a_complete_post_are_told(office: Office) -> None:
    failed, done = await office.house.posted(), await office.house.posted()
    await office.house.fail(failed, Stage.RESEARCH)
    await office.house.finish(done)
    await office.tell()
    told = [(got.told["post_id"], got.told["event"]) for got in office.receiver.got]
    assert told == [(str(failed), "failed"), (str(done), "complete")]
    assert office.receiver.got[0].told["message"] == "Research failed (timeout): too slow"
    assert "stage" not in office.receiver.got[1].told
    assert "review" not in office.receiver.got[0].told


async def test_people_read_of_it_in_the_log(office: Office) -> None:
    post = await office.waiting()
    office.receiver.answers = [500]
    await office.tell()
    office.house.later(seconds=10)
    await office.tell()
    gateway = office.house.gateway
    last = (await gateway.events.state()).last
    lines = [line async for page in gateway.past.entries(post, 0, last) for _, line in page]
    assert [(line.level, line.message.split(";")[0]) for line in lines[-2:]] == [
        ("warning", "The webhook was not told: a review waits (refused)"),
        ("info", "The webhook was told: a review waits"),
    ]


async def test_a_receiver_that_says_no_is_asked_again_with_growing_pauses_then_given_up(
    office: Office,
) -> None:
    await office.waiting()
    office.receiver.answers = [500, 404, 429, 503, 400, 500]
    for pause in PAUSES_S:
        await office.tell()
        office.house.later(seconds=pause - 1)
        assert office.rows == []
        office.house.later(seconds=1)
    await office.tell()
    office.house.later(days=30)
    await office.tell()
    assert len(office.receiver.got) == len(PAUSES_S) + 1 == 6
    ended = [fact for fact in office.facts() if isinstance(fact, e.NoticeFailed)]
    assert [fact.status for fact in ended] == [500, 404, 429, 503, 400, 500]
    assert [fact.attempt for fact in ended] == [1, 2, 3, 4, 5, 6]
    assert ended[-1].due is None
    assert len({got.body for got in office.receiver.got}) == 1
    assert len({got.headers["galley-delivery"] for got in office.receiver.got}) == 1
    assert len({got.headers["galley-timestamp"] for got in office.receiver.got}) == 6


async def test_of_many_replicas_exactly_one_sends(office: Office) -> None:
    await office.waiting()
    (due,) = office.rows
    replicas = [office.notices, office.replicas[0]]
    await asyncio.gather(*(each.attend(due) for each in replicas * 20))
    assert len(office.receiver.got) == 1
    assert office.names() == ["NoticeStarted", "NoticeDelivered"]


async def test_an_attempt_cut_off_half_way_is_made_again_under_the_same_delivery(
    office: Office,
) -> None:
    await office.waiting()
    (due,) = office.rows
    office.receiver.answers = ["hang"]
    sending = asyncio.create_task(office.notices.attend(due))
    await office.receiver.arrived.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    office.house.later(seconds=59)
    assert office.rows == []
    office.house.later(seconds=1)
    await office.tell()
    first, second = office.receiver.got
    assert first.headers["galley-delivery"] == second.headers["galley-delivery"]
    assert office.names() == ["NoticeStarted", "NoticeFailed", "NoticeStarted", "NoticeDelivered"]
    lost = office.facts()[1]
    assert isinstance(lost, e.NoticeFailed)
    assert (lost.code, lost.attempt) == ("ambiguous", 1)


async def test_a_row_that_lags_sends_nothing_twice(office: Office) -> None:
    await office.waiting()
    (due,) = office.rows
    await office.tell()
    office.house.later(hours=1)
    for late in (due, due._replace(attempt=1, lost=True)):
        await office.replicas[0].attend(late)
    assert len(office.receiver.got) == 1
    assert office.names() == ["NoticeStarted", "NoticeDelivered"]


async def test_the_last_attempt_when_lost_is_given_up(office: Office) -> None:
    await office.waiting()
    (due,) = office.rows
    await office.notices.attend(due._replace(attempt=6, lost=True))
    (given_up,) = office.facts()
    assert isinstance(given_up, e.NoticeFailed)
    assert (given_up.code, given_up.due) == ("ambiguous", None)
    assert office.receiver.got == []


@pytest.mark.parametrize(
    ("wanted", "replica", "reason"),
    [
        ([], 0, "no_webhook"),
        (["complete"], 0, "not_wanted"),
        (["review"], 1, "no_secret"),
    ],
)
async def test_what_nobody_had_asked_for_is_not_told_later(
    office: Office, wanted: list[str], replica: int, reason: str
) -> None:
    await office.waiting()
    office.wanted = wanted
    (due,) = office.rows
    await office.replicas[replica].attend(due)
    office.wanted = list(EVENTS)
    office.house.later(days=1)
    await office.tell()
    await office.notices.attend(due)
    (skipped,) = office.facts()
    assert isinstance(skipped, e.NoticeSkipped)
    assert skipped.reason == reason
    assert office.receiver.got == []


async def test_a_deleted_post_is_not_told(office: Office) -> None:
    post = await office.waiting()
    (due,) = office.rows
    await office.house.done(DeletePost(post_id=post))
    await office.tell()
    await office.notices.attend(due)
    assert (office.receiver.got, office.facts()) == ([], [])


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [(302, "redirected", 302), (307, "redirected", 307), (410, "refused", 410)],
)
async def test_a_redirect_is_not_followed(
    office: Office, answer: int, code: str, status: int
) -> None:
    await office.waiting()
    office.receiver.answers = [answer]
    await office.tell()
    assert [got.path for got in office.receiver.got] == ["/hook"]
    failed = office.facts()[-1]
    assert isinstance(failed, e.NoticeFailed)
    assert (failed.code, failed.status) == (code, status)


async def test_an_answer_without_end_is_an_answer(office: Office) -> None:
    await office.waiting()
    office.receiver.answers = ["endless"]
    await office.tell()
    assert office.names() == ["NoticeStarted", "NoticeDelivered"]


async def test_what_may_not_have_been_claimed_is_not_sent_until_it_counts_as_lost(
    office: Office,
) -> None:
    await office.waiting()
    office.house.events.unconfirmed = 1
    await office.tell()
    await office.tell()
    assert office.receiver.got == []
    office.house.later(seconds=60)
    await office.tell()
    assert len(office.receiver.got) == 1


async def test_nothing_is_sent_while_the_log_is_away(office: Office) -> None:
    await office.waiting()
    (due,) = office.rows
    office.house.events.away = True
    with pytest.raises(LogUnavailable):
        await office.notices.attend(due)
    assert office.receiver.got == []
    office.house.events.away = False
    await office.tell()
    assert len(office.receiver.got) == 1


async def test_an_end_that_somebody_else_has_written_is_left_as_it_is(office: Office) -> None:
    await office.waiting()
    (due,) = office.rows
    office.receiver.answers = ["hang", 204]
    slow = asyncio.create_task(office.notices.attend(due))
    await office.receiver.arrived.wait()
    office.house.later(seconds=60)
    (lost,) = office.rows
    await office.replicas[0].attend(lost)
    office.receiver.closing.set()
    with pytest.raises(Conflict):
        await slow
    assert office.names() == ["NoticeStarted", "NoticeFailed", "NoticeStarted", "NoticeDelivered"]


async def test_neither_secret_nor_address_reaches_the_log(office: Office) -> None:
    await office.waiting()
    office.receiver.answers = [500]
    with structlog.testing.capture_logs() as written:
        await office.tell()
        await office.notices.once()
    everything = b"".join(m.data for m in office.house.events.messages) + repr(written).encode()
    assert written, "Postgres is away, which is said"
    for hidden in (SECRET, "URLTOKEN", office.receiver.url):
        assert hidden.encode() not in everything


async def test_the_loop_goes_on_while_the_read_model_is_away(office: Office) -> None:
    await office.notices.once()
    await office.notices.once()
    assert office.facts() == []


@pytest.mark.parametrize("text", ["\x00\u202e<script>", "x" * 100_000, "\ud800"])
async def test_hostile_and_huge_words_are_told_as_json_within_bounds(
    office: Office, text: str
) -> None:
    post = await office.waiting()
    failure: dict[str, Any] = {"post_id": post, "at": office.house.at[0], "stage": Stage.RESEARCH}
    recorded = e.StageFailed.model_construct(**failure, run=2, code="x", message=text)
    from services.gateway.notices.message import message
    from shared.domain.events import Recorded
    from shared.eventlog import History

    body = message(History(office.house.ref(post), (Recorded(3, recorded),)), 3, "failed")
    assert body is not None
    assert len(body) < 10_000
    assert body.isascii()
