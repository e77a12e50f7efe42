"""The inbox on a real server: loans, what is no request, and a consumer that is not there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from shared.domain.upcast import encode
from shared.domain.values import Stage
from shared.errors import LogUnavailable
from shared.jetstream import ADMIN, GATEWAY, ensure, open_inbox, open_log
from shared.testing.vocabulary import requested
from tests.integration.jetstream.stories import begin, envelope, following, forge, new_post, of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.eventlog import Delivery, Inbox
    from shared.jetstream import Connection, JetStreamInbox, JetStreamLog
    from tests.integration.jetstream.conftest import Mortal

pytestmark = pytest.mark.integration


@pytest.fixture
def inbox(research: Connection) -> JetStreamInbox:
    return open_inbox(research, Stage.RESEARCH)


async def some(inbox: Inbox, most: int = 10) -> Sequence[Delivery]:
    """Fetch until something comes."""
    while not (found := await inbox.fetch(most)):
        continue
    return found


async def unsettled(admin: Connection) -> int:
    """How many requests are on loan, or wait."""
    known = await admin.nc.jetstream().consumer_info("GALLEY", "research")
    return (known.num_ack_pending or 0) + (known.num_pending or 0)


async def test_a_loan_that_runs_out_is_lent_again(
    log: JetStreamLog, admin: Connection, inbox: JetStreamInbox
) -> None:
    await ensure(admin, ack_wait=0.3)
    run = await begin(log, new_post())
    (first,) = await some(inbox)
    (second,) = await some(inbox)
    assert first.seq == second.seq == run
    await first.ack()
    assert await unsettled(admin) == 0


async def test_a_loan_that_is_prolonged_is_not_lent_again(
    log: JetStreamLog, admin: Connection, inbox: JetStreamInbox
) -> None:
    await ensure(admin, ack_wait=1)
    await begin(log, new_post())
    (lent,) = await some(inbox)

    async def beat() -> None:
        while True:
            await lent.still_working()
            await asyncio.sleep(0.2)

    beating = asyncio.create_task(beat())
    assert list(await inbox.fetch(5)) == []
    beating.cancel()
    (again,) = await some(inbox)
    assert again.seq == lent.seq


async def test_what_is_no_request_is_terminated_and_alarmed(
    log: JetStreamLog,
    gateway: Connection,
    research: Connection,
    admin: Connection,
    inbox: JetStreamInbox,
) -> None:
    ref = new_post()
    fact = of(ref, requested(Stage.RESEARCH))
    proper = envelope(fact, "gateway")
    bad: tuple[tuple[dict[str, str], bytes], ...] = (
        (following(ref, 0), encode(fact)),
        (proper | following(ref, 1), b"{}"),
        (proper | {"Galley-Producer": "research"}, encode(fact)),
        (proper | {"Galley-Producer": "pr\u00f6jector\u2028"}, encode(fact)),
        (proper, encode(fact)),
        (proper, encode(of(new_post(), requested(Stage.RESEARCH)))),
    )
    for n, (headers, data) in enumerate(bad):
        told = {name: value for name, value in headers.items() if "Sequence" not in name}
        await forge(gateway, ref, fact, n, headers=told, data=data)
    run = await begin(log, new_post())

    (lent,) = await some(inbox)
    assert lent.seq == run
    await lent.ack()
    assert [alarm.name for alarm in research.alarms] == ["inbox.malformed"] * len(bad)
    while await unsettled(admin):
        await asyncio.sleep(0.01)
    assert inbox.too_new is None


async def test_what_is_newer_than_this_code_is_handed_back(
    gateway: Connection, research: Connection, admin: Connection, inbox: JetStreamInbox
) -> None:
    ref = new_post()
    fact = of(ref, requested(Stage.RESEARCH))
    newer = envelope(fact, "gateway") | {"Galley-Version": str(fact.VERSION + 1)}
    await forge(gateway, ref, fact, headers=newer | following(ref, 0))

    assert list(await inbox.fetch(5)) == []
    assert inbox.too_new is not None
    assert "newer" in inbox.too_new
    assert [alarm.name for alarm in research.alarms] == ["inbox.too_new"]
    assert await unsettled(admin) == 1


async def test_what_arrived_and_was_not_taken_goes_back_when_the_inbox_closes(
    log: JetStreamLog, research: Connection, inbox: JetStreamInbox
) -> None:
    abandoned = JetStreamInboxUnread(research)
    fetching = asyncio.create_task(abandoned.inbox.fetch(5))
    await research.nc.flush()
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)
    run = await begin(log, new_post())
    await abandoned.arrived()
    await abandoned.inbox.close()
    (lent,) = await some(inbox)
    assert lent.seq == run


class JetStreamInboxUnread:
    """An inbox whose reader went away while a request was under way."""

    def __init__(self, connection: Connection) -> None:
        self.inbox = open_inbox(connection, Stage.RESEARCH)

    async def arrived(self) -> None:
        while not self.inbox._pull._messages:
            await asyncio.sleep(0.01)


async def test_a_stage_without_its_consumer_says_so_at_once(
    admin: Connection, inbox: JetStreamInbox
) -> None:
    await admin.nc.jetstream().delete_consumer("GALLEY", "research")
    with pytest.raises(LogUnavailable):
        await inbox.fetch(1)


async def test_an_inbox_survives_a_server_that_is_killed(mortal: Mortal) -> None:
    async with (
        mortal.galley.connect(GATEWAY) as gateway,
        mortal.galley.connect("research") as research,
        mortal.galley.connect(ADMIN) as admin,
    ):
        log, inbox = open_log(gateway, GATEWAY), open_inbox(research, Stage.RESEARCH)
        run = await begin(log, new_post())
        (lent,) = await some(inbox)
        fetching = asyncio.create_task(inbox.fetch(5))
        await research.nc.flush()
        await mortal.kill()
        with pytest.raises(LogUnavailable):
            await fetching
        with pytest.raises(LogUnavailable):
            await lent.still_working()
        await lent.ack()
        await lent.hand_back()
        await mortal.start()
        assert await research.ready(10)
        assert await gateway.ready(10)
        assert await admin.ready(10)
        await ensure(admin, ack_wait=0.5)
        second = await begin(log, new_post())
        seen: set[int] = set()
        while not {run, second} <= seen:
            for each in await inbox.fetch(5):
                seen.add(each.seq)
                await each.ack()
