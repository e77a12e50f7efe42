"""What a deleted post has said leaves the log, the media store and the rows; its bill stays."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from services.projector.eraser import AGAIN_S, Eraser, rows
from services.projector.migrations import migrate
from shared.domain.events import CallSettledLate, PostDeleted
from shared.domain.values import Stage
from shared.errors import LogUnavailable
from shared.eventlog import Append
from shared.jetstream import ERASER, PROJECTOR, open_erasure, open_log, open_media
from tests.integration.jetstream.server import PASSWORDS, galley_nats  # noqa: F401
from tests.integration.test_gateway import plant  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from shared.eventlog import Stored
    from shared.jetstream import JetStreamMedia
    from tests.integration.test_gateway import Plant

pytestmark = pytest.mark.integration


@dataclass
class Scene:
    """A plant with an eraser that works when it is told to."""

    plant: Plant
    eraser: Eraser
    media: JetStreamMedia
    db: asyncpg.Connection[Any]

    async def spoken(self, topic: str = "A secret topic") -> UUID:
        """A post that has said something everywhere it can."""
        post = await self.plant.posted(topic=topic)
        run = await self.plant.run(post)
        await self.plant.pay(post, run, settle=True)
        await self.plant.say(post, "a secret line")
        await self.plant.complete(post, Stage.RESEARCH)
        await self.media.put(f"{post}/picture", b"a secret picture")
        return post

    async def delete(self, post: UUID) -> None:
        answer = await self.plant.client.delete(f"/api/posts/{post}")
        assert answer.status_code == 204, answer.text

    async def left(self, post: UUID) -> list[Stored]:
        """Everything the log still holds of a post, and of slugs it claimed."""
        events, found = self.plant.gateway.events, list[Any]()
        state = await events.state()
        for seq in range(1, state.last + 1):
            stored = await events.stored(seq)
            if stored is not None and str(post).encode() in stored.subject.encode() + stored.data:
                found.append(stored)
        return found

    async def erased(self, post: UUID) -> bool:
        at = await self.db.fetchval("select erased_at from posts where id = $1", post)
        return at is not None


@pytest.fixture
async def scene(plant: Plant) -> AsyncIterator[Scene]:  # noqa: F811
    async with (
        plant.nats.connect(ERASER) as connection,
        plant.nats.connect("images") as images,
        rows(plant.dsn) as pool,
    ):
        eraser = Eraser(
            events=open_log(connection, ERASER),
            erasure=open_erasure(connection),
            media=open_media(connection),
            pool=pool,
            active=lambda: True,
            clock=lambda: plant.at[0],
        )
        db = await asyncpg.connect(plant.dsn)
        yield Scene(plant, eraser, open_media(images), db)
        await db.close()
        assert list(connection.alarms) == []


async def projected(scene: Scene) -> None:
    async with scene.plant.projecting():
        pass


async def test_only_the_tombstone_stays_and_nothing_else_is_touched(scene: Scene) -> None:
    post, other = await scene.spoken(), await scene.spoken("Another topic")
    before = await scene.left(other)
    await scene.delete(post)
    await projected(scene)
    assert await scene.eraser.once() == 1
    [tombstone] = await scene.left(post)
    assert isinstance(tombstone.fact, PostDeleted)
    assert [line.cost_usd for line in tombstone.fact.spent] == [0.125]
    assert b"secret" not in tombstone.data
    assert await scene.media.get(f"{post}/picture") is None
    assert await scene.erased(post)
    assert await scene.left(other) == before
    assert await scene.media.get(f"{other}/picture") == b"a secret picture"
    assert (await scene.plant.get(f"/api/posts/{other}"))["topic"] == "Another topic"
    assert await scene.eraser.once() == 0


async def test_nothing_is_erased_before_the_deletion_is_projected(scene: Scene) -> None:
    post = await scene.spoken()
    await projected(scene)
    await scene.delete(post)
    before = await scene.left(post)
    assert await scene.eraser.once() == 0
    assert await scene.left(post) == before


async def test_an_erased_post_stays_deleted_for_everybody(scene: Scene) -> None:
    headers = {"Idempotency-Key": "k"}
    post = await scene.spoken()
    url = f"/api/posts/{post}"
    assert (await scene.plant.client.delete(url, headers=headers)).status_code == 204
    await projected(scene)
    await scene.eraser.once()
    client = scene.plant.client
    assert (await client.delete(url, headers=headers)).status_code == 204
    for answer in (
        await client.get(url),
        await client.get(f"{url}/logs"),
        await client.delete(url),
        await client.post(f"{url}/run"),
        await client.patch(url, json={"niche": "x"}),
    ):
        assert answer.status_code == 404
    assert (await scene.plant.get("/api/posts"))["total"] == 0


async def test_a_post_with_an_open_call_is_visited_until_the_call_has_ended(scene: Scene) -> None:
    post = await scene.plant.posted()
    run = await scene.plant.run(post)
    await scene.plant.pay(post, run, settle=False)
    await scene.delete(post)
    await projected(scene)
    assert await scene.eraser.once() == 0
    assert not await scene.erased(post)
    await scene.media.put(f"{post}/late", b"a late picture")
    await scene.plant.say(post, "a late line")
    late = CallSettledLate(
        post_id=post,
        at=scene.plant.at[0],
        stage=Stage.RESEARCH,
        run=run,
        key="research",
        attempt=2,
        token="t",
        provider="perplexity",
        usage=None,
        cost_usd=0.25,
        prices="p",
    )
    log = await scene.plant.log("research")
    await log.append(Append(ref=scene.plant.ref(post), facts=[late]))
    assert await scene.eraser.once() == 0
    scene.plant.at[0] += timedelta(seconds=AGAIN_S)
    assert await scene.eraser.once() == 1
    kinds = [type(each.fact) for each in await scene.left(post)]
    assert kinds == [PostDeleted, CallSettledLate]
    assert await scene.media.get(f"{post}/late") is None


async def test_a_call_that_never_ends_is_not_waited_for_for_ever(scene: Scene) -> None:
    post = await scene.plant.posted()
    await scene.plant.pay(post, await scene.plant.run(post), settle=False)
    await scene.delete(post)
    await projected(scene)
    assert await scene.eraser.once() == 0
    scene.plant.at[0] += timedelta(hours=1)
    assert await scene.eraser.once() == 1


async def test_what_was_interrupted_is_finished_the_next_time(scene: Scene) -> None:
    post = await scene.spoken()
    await scene.delete(post)
    await projected(scene)
    whole = scene.eraser.media

    class Away:
        async def remove(self, *_prefixes: str) -> int:
            raise LogUnavailable("the media store is away")

    scene.eraser.media = Away()
    with pytest.raises(LogUnavailable):
        await scene.eraser.once()
    assert not await scene.erased(post)
    scene.eraser.media = whole
    assert await scene.eraser.once() == 1
    assert await scene.media.get(f"{post}/picture") is None


async def test_two_erasers_at_once_do_no_harm(scene: Scene) -> None:
    posts = [await scene.spoken() for _ in range(3)]
    for post in posts:
        await scene.delete(post)
    await projected(scene)
    await asyncio.gather(scene.eraser.once(), scene.eraser.once())
    for post in posts:
        assert len(await scene.left(post)) == 1
        assert await scene.erased(post)


async def test_a_row_alone_erases_nothing(scene: Scene) -> None:
    post = await scene.spoken()
    await projected(scene)
    await scene.db.execute("update posts set deleted = true where id = $1", post)
    before = await scene.left(post)
    assert await scene.eraser.once() == 0
    assert await scene.left(post) == before


async def test_what_was_set_aside_of_the_post_is_forgotten(scene: Scene) -> None:
    post = await scene.spoken()
    await scene.delete(post)
    await projected(scene)
    await scene.db.execute(
        "insert into quarantine (seq, post_id, subject, problem, data)"
        " values (1, $1, 's', 'p', 'a secret')",
        post,
    )
    await scene.eraser.once()
    assert await scene.db.fetchval("select count(*) from quarantine") == 0


async def test_the_rows_can_be_rebuilt_from_what_is_left(scene: Scene) -> None:
    post, other = await scene.spoken(), await scene.spoken()
    await scene.delete(post)
    await projected(scene)
    await scene.eraser.once()
    await scene.db.execute(
        "truncate posts, contents, entries, calls, position, quarantine restart identity"
    )
    await projected(scene)
    found = await scene.db.fetch("select id, deleted, behind from posts order by deleted")
    assert [tuple(row) for row in found] == [(other, False, False), (post, True, False)]
    assert await scene.eraser.once() == 1


async def test_a_slug_that_was_inherited_stays_with_its_heir(scene: Scene) -> None:
    post = await scene.plant.posted(slug="mine")
    await scene.delete(post)
    heir = await scene.plant.posted(slug="mine")
    await projected(scene)
    await scene.eraser.once()
    claim = await scene.plant.gateway.events.newest("slugs.main.none.mine")
    assert claim is not None
    assert claim.data == str(heir).encode()


async def test_the_slug_of_an_erased_post_is_free_again(scene: Scene) -> None:
    post = await scene.plant.posted(slug="mine")
    await scene.delete(post)
    await projected(scene)
    await scene.eraser.once()
    assert await scene.plant.gateway.events.newest("slugs.main.none.mine") is None
    heirs = await asyncio.gather(
        *(
            scene.plant.client.post("/api/posts", json={"topic": "T", "slug": "mine"})
            for _ in range(5)
        )
    )
    assert sorted(heir.status_code for heir in heirs) == [201, 409, 409, 409, 409]


@asynccontextmanager
async def projector(scene: Scene) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {
        **os.environ,
        "GALLEY_NATS_URL": scene.plant.nats.url,
        "GALLEY_NATS_USER": PROJECTOR,
        "GALLEY_NATS_PASSWORD": PASSWORDS[PROJECTOR],
        "GALLEY_ERASER_PASSWORD": PASSWORDS[ERASER],
        "GALLEY_POSTGRES_DSN": scene.plant.dsn,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.projector", stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_projectors_process_erases_by_itself(scene: Scene) -> None:
    await migrate(scene.plant.dsn)
    post = await scene.spoken()
    await scene.delete(post)
    async with projector(scene) as process, asyncio.timeout(30):
        assert process.stdout is not None
        while b"eraser.erased" not in await process.stdout.readline():
            continue
        while not await scene.erased(post):
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert len(await scene.left(post)) == 1
