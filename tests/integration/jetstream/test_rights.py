"""Rights on a real server: everybody may do their own work, nothing else, and a refusal shows."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from shared.domain.values import ORDER
from shared.jetstream import USERS, producer_may

if TYPE_CHECKING:
    from shared.jetstream import Connection
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration

HERE = f"posts.main.{uuid4()}"
STAGES = tuple(str(stage) for stage in ORDER)
ANYBODY = frozenset((*STAGES, "gateway"))
NOBODY: frozenset[str] = frozenset()

SAYS: dict[str, frozenset[str]] = {
    f"{HERE}.flow.post.created.0": frozenset({"gateway"}),
    f"{HERE}.flow.post.deleted.9": frozenset({"gateway"}),
    f"{HERE}.flow.post.cancelled.9": frozenset({"gateway"}),
    f"{HERE}.flow.post.completed.9": frozenset({"gateway", "ready"}),
    f"{HERE}.flow.research.requested.2": frozenset({"gateway"}),
    f"{HERE}.flow.outline.requested.2": frozenset({"gateway", "research"}),
    f"{HERE}.flow.ready.requested.2": frozenset({"gateway", "images"}),
    f"{HERE}.flow.outline.completed.3": frozenset({"outline"}),
    f"{HERE}.flow.outline.failed.3": frozenset({"outline"}),
    f"{HERE}.flow.outline.review.3": frozenset({"outline"}),
    f"{HERE}.flow.outline.deferred.3": frozenset({"outline"}),
    f"{HERE}.flow.outline.budget.3": frozenset({"outline"}),
    f"{HERE}.flow.outline.approved.3": frozenset({"gateway"}),
    f"{HERE}.flow.outline.rejected.3": frozenset({"gateway"}),
    f"{HERE}.flow.outline.edited.3": frozenset({"gateway"}),
    f"{HERE}.flow.outline.expired.3": frozenset({"gateway"}),
    f"{HERE}.flow.outline.something.3": NOBODY,
    f"{HERE}.flow.outline.completed.3.more": NOBODY,
    f"{HERE}.flow.outline.completed": NOBODY,
    f"{HERE}.call.write.3.draft.1.started": frozenset({"write"}),
    f"{HERE}.call.write.3.draft.1.late": frozenset({"write"}),
    f"{HERE}.call.write.3.draft.1.ended": frozenset({"write", "gateway"}),
    f"{HERE}.log.edit.info": frozenset({"edit", "gateway"}),
    f"{HERE}.log.edit.info.more": NOBODY,
    f"{HERE}.else.edit": NOBODY,
    "slugs.main.profile.slug": frozenset({"gateway"}),
    "docs.main.settings.all": frozenset({"gateway"}),
    "budgets.main.all.x.2026": ANYBODY,
}
ASKS: dict[str, frozenset[str]] = {
    "live.main.x.write": frozenset({"write"}),
    "$JS.API.DIRECT.GET.GALLEY": frozenset({*ANYBODY, "projector", "eraser", "admin"}),
    "$JS.API.DIRECT.GET.GALLEY.posts.main.x.flow.>": frozenset(
        {*ANYBODY, "projector", "eraser", "admin"}
    ),
    "$JS.API.DIRECT.GET.OBJ_MEDIA": frozenset({"images", "gateway", "eraser", "admin"}),
    "$JS.API.CONSUMER.MSG.NEXT.GALLEY.edit": frozenset({"edit", "gateway", "projector", "admin"}),
    "$JS.ACK.GALLEY.edit.1.2.3.4.0": frozenset({"edit"}),
    "$JS.API.CONSUMER.CREATE.GALLEY.tail_x": frozenset({"gateway", "projector", "admin"}),
    "$JS.API.CONSUMER.DURABLE.CREATE.GALLEY.x": frozenset({"admin"}),
    "$JS.API.CONSUMER.DELETE.GALLEY.tail_x": frozenset({"gateway", "projector", "admin"}),
    "$JS.API.STREAM.INFO.GALLEY": frozenset({"gateway", "projector", "admin"}),
    "$JS.API.STREAM.CREATE.OTHER": frozenset({"admin"}),
    "$JS.API.STREAM.MSG.GET.OBJ_MEDIA": frozenset({"admin"}),
    "$JS.API.STREAM.NAMES": frozenset({"admin"}),
    "$O.MEDIA.C.x": frozenset({"images", "gateway", "eraser"}),
    "_INBOX_gateway.x": NOBODY,
    "$SYS.REQ.SERVER.PING": NOBODY,
}
DANGEROUS: dict[str, frozenset[str]] = {
    "$JS.API.STREAM.PURGE.OBJ_MEDIA": frozenset({"eraser", "admin"}),
    "$JS.API.STREAM.PURGE.GALLEY": frozenset({"eraser", "admin"}),
    "$JS.API.STREAM.DELETE.GALLEY": frozenset({"admin"}),
    "$JS.API.STREAM.UPDATE.GALLEY": frozenset({"admin"}),
    "$JS.API.STREAM.MSG.DELETE.GALLEY": frozenset({"admin"}),
}
HEARS: dict[str, frozenset[str]] = {
    "live.>": frozenset({"gateway"}),
    "posts.>": NOBODY,
    ">": NOBODY,
    "_INBOX.>": NOBODY,
    "_INBOX_gateway.>": frozenset({"gateway"}),
    "$JS.EVENT.ADVISORY.>": NOBODY,
}


async def refused(connection: Connection) -> str:
    """All refusals so far: the server answers in order, so a last one comes after all others."""
    await connection.nc.publish("the.end", b"")
    while not connection.alarms or "the.end" not in connection.alarms[-1].detail:
        await connection.nc.flush()
    assert {alarm.name for alarm in connection.alarms} == {"nats.permission_denied"}
    return "\n".join(alarm.detail for alarm in connection.alarms).lower()


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_publish_what_is_its_own_and_nothing_else(
    user: str, admin: Connection, galley_nats: GalleyNats
) -> None:
    harmless = {s: who for s, who in DANGEROUS.items() if user not in who}
    async with galley_nats.connect(user) as connection:
        tried = SAYS | ASKS | harmless
        for subject in tried:
            await connection.nc.publish(subject, b"x")
        told = await refused(connection)
    forbidden = {subject for subject in tried if f'publish to "{subject}"'.lower() in told}
    assert forbidden == {subject for subject, who in tried.items() if user not in who}


@pytest.mark.parametrize("user", USERS)
async def test_a_user_may_hear_its_own_and_nothing_else(
    user: str, admin: Connection, galley_nats: GalleyNats
) -> None:
    async with galley_nats.connect(user) as connection:
        for subject in HEARS:
            await connection.nc.subscribe(subject)
        told = await refused(connection)
    forbidden = {subject for subject in HEARS if f'subscription to "{subject}"'.lower() in told}
    assert forbidden == {subject for subject, who in HEARS.items() if user not in who}


@pytest.mark.parametrize("user", [*USERS, "nobody", ""])
def test_readers_believe_a_producer_what_the_server_lets_it_say(user: str) -> None:
    for subject, who in SAYS.items():
        assert producer_may(user, subject) is (user in who), subject
    for subject in (*ASKS, *DANGEROUS, "", "posts", "posts.main", ">", "*.*.*"):
        assert not producer_may(user, subject)


async def test_a_refusal_makes_the_connection_unfit(
    admin: Connection, galley_nats: GalleyNats
) -> None:
    async with galley_nats.connect("outline") as connection:
        assert connection.problem() is None
        await connection.nc.publish(f"{HERE}.flow.outline.approved.3", b"x")
        await refused(connection)
        problem = connection.problem()
        assert problem is not None
        assert "outline lacks a right" in problem
