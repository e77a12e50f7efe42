"""Where an answer of the server is sent is not a way round a stage's rights.

The server looks at the subject of a request, not at the one its answer goes to. So a stage might
have the server itself say what the stage may not: store a fact, or purge the log.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from shared.domain.values import Stage
from shared.eventlog import Append
from shared.jetstream import open_log
from shared.testing.vocabulary import completed, requested
from tests.integration.jetstream.stories import begin, heard, new_post, of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.domain.subjects import PostRef
    from shared.eventlog import History
    from shared.jetstream import Connection, JetStreamLog
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration

READ = "$JS.API.DIRECT.GET.GALLEY"
NEXT = "$JS.API.CONSUMER.MSG.NEXT.GALLEY.images"
NOT_ITS_OWN = (
    "$JS.API.STREAM.PURGE.GALLEY",
    "$JS.API.STREAM.PURGE.OBJ_MEDIA",
    "$JS.API.STREAM.MSG.DELETE.GALLEY",
    "$JS.API.STREAM.DELETE.OBJ_MEDIA",
    "$JS.API.STREAM.DELETE.GALLEY",
    "$JS.API.CONSUMER.DELETE.GALLEY.write",
    "$JS.API.CONSUMER.DURABLE.CREATE.GALLEY.mine",
    "$SYS.REQ.SERVER.PING",
    "_INBOX_gateway.1",
    "live.main.{post}.write",
    "beats.gateway.x",
    "budgets.main.all.x.2026",
    "docs.main.settings.all",
    "slugs.main.none.a",
    "{flow}.post.deleted.5",
    "{flow}.post.completed.5",
    "{flow}.images.approved.5",
    "{flow}.research.completed.5",
)


@pytest.fixture
async def images(admin: Connection, galley_nats: GalleyNats) -> AsyncIterator[Connection]:
    """The stage that has been taken over: of all stages the one that may most."""
    async with galley_nats.connect("images") as connection:
        yield connection


async def standing(admin: Connection) -> dict[str, object]:
    """Everything on the server that an attacker might want to change."""
    await heard(admin)
    js = admin.nc.jetstream()
    told: dict[str, object] = {}
    for name in ("GALLEY", "OBJ_MEDIA"):
        state = (await js.stream_info(name, subjects_filter=">")).state
        told[name] = (state.first_seq, state.last_seq, state.messages, state.subjects)
    told["consumers"] = sorted(each.name for each in await js.consumers_info("GALLEY"))
    return told


async def story(log: JetStreamLog, galley_nats: GalleyNats) -> tuple[PostRef, History]:
    """A post whose research is done."""
    ref = new_post()
    run = await begin(log, ref)
    async with galley_nats.connect("research") as research:
        done = [of(ref, completed(Stage.RESEARCH, run=run)), of(ref, requested(Stage.OUTLINE))]
        await open_log(research, "research").append(Append(ref=ref, facts=done, after=run, n=3))
    return ref, await log.read(ref)


async def test_an_answer_reaches_nothing_that_its_asker_may_not_reach(
    log: JetStreamLog, images: Connection, admin: Connection, galley_nats: GalleyNats
) -> None:
    ref, history = await story(log, galley_nats)
    mine = f"{ref.prefix}.log.images.info"
    await images.nc.jetstream().publish(mine, b"")
    last = (await log.state()).last
    before = await standing(admin)
    for target in NOT_ITS_OWN:
        reply = target.format(post=ref.id, flow=f"{ref.prefix}.flow")
        for asked in ({"seq": 10**9}, {"seq": last}, {"seq": 1}, {"multi_last": [ref.flow]}):
            await images.nc.publish(READ, json.dumps(asked).encode(), reply=reply)
        await images.nc.publish(NEXT, b'{"batch":1,"no_wait":true}', reply=reply)
    await heard(images)
    await images.nc.jetstream().get_last_msg("GALLEY", mine, direct=True)
    assert await standing(admin) == before
    assert await log.read(ref) == history


async def test_the_receipt_of_a_stored_line_is_stored_nowhere(
    log: JetStreamLog, images: Connection, admin: Connection, galley_nats: GalleyNats
) -> None:
    ref, history = await story(log, galley_nats)
    mine, before = f"{ref.prefix}.log.images.info", (await log.state()).last
    own = f"{ref.prefix}.flow.images.completed.5"
    for target in (*NOT_ITS_OWN, own):
        reply = target.format(post=ref.id, flow=f"{ref.prefix}.flow")
        await images.nc.publish(mine, b"x", reply=reply)
    ack = await images.nc.jetstream().publish(mine, b"the last one")
    await heard(admin)
    assert ack.seq == (await log.state()).last == before + len(NOT_ITS_OWN) + 2
    assert await log.read(ref) == history
