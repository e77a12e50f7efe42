"""The webhook with the real log, projector, Postgres and process: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from pydantic import SecretStr

from services.gateway.notices.running import configured, telling
from services.gateway.notices.sending import open_sender
from services.gateway.notices.telling import Notices, Signing
from shared.domain import events as e
from shared.domain.values import Stage
from shared.jetstream import GATEWAY, open_log, producer_may
from shared.settings import Webhook
from shared.testing import POST
from tests.integration.jetstream.server import PASSWORDS, galley_nats  # noqa: F401
from tests.integration.test_gateway import plant  # noqa: F401
from tests.unit.gateway.receiver import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from tests.integration.test_gateway import Plant

# ruff: noqa: F811  (pytest's fixtures are named as what they give)
pytestmark = pytest.mark.integration

SECRET = "a secret of sixteen and more"
NOTICES = "select event, attempt, state from notices order by seq"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


def settings(receiver: Receiver, **more: Any) -> Webhook:
    return Webhook(url=f"{receiver.url}/hook", secret=SecretStr(SECRET), allow_private=True, **more)


@asynccontextmanager
async def replica(plant: Plant, said: Webhook) -> AsyncIterator[Notices]:
    """A gateway that has just started, with a connection of its own."""
    async with plant.nats.connect(GATEWAY) as connection, open_sender(private=True) as sender:
        gateway = replace(plant.gateway, events=open_log(connection, GATEWAY))
        yield Notices(gateway, sender, configured(gateway, said), Signing(SECRET))


async def waiting(plant: Plant) -> UUID:
    """A post whose research waits for a person."""
    post = await plant.posted(stage_settings={"research": "review"})
    await plant.complete(post, Stage.RESEARCH)
    return post


async def rows(plant: Plant) -> list[tuple[Any, ...]]:
    """The notices as the projector has written them, up to the end of the log."""
    async with plant.projecting():
        pass
    connection = await asyncpg.connect(plant.dsn)
    try:
        return [tuple(row) for row in await connection.fetch(NOTICES)]
    finally:
        await connection.close()


async def test_many_posts_are_told_once_each_by_two_replicas(
    plant: Plant, receiver: Receiver
) -> None:
    posts = {str(await waiting(plant)) for _ in range(8)}
    assert await rows(plant) == [("review", 0, "waiting")] * 8
    said = settings(receiver)
    async with replica(plant, said) as one, replica(plant, said) as other:
        await asyncio.gather(one.once(), other.once())
        await asyncio.gather(one.once(), other.once())
    assert sorted(got.told["post_id"] for got in receiver.got) == sorted(posts)
    assert await rows(plant) == [("review", 1, "delivered")] * 8


async def test_what_failed_is_sent_again_after_a_restart_and_people_read_of_it(
    plant: Plant, receiver: Receiver
) -> None:
    post, said = await waiting(plant), settings(receiver)
    receiver.answers = [503]
    await rows(plant)
    async with replica(plant, said) as before:
        await before.once()
    assert await rows(plant) == [("review", 1, "waiting")]
    async with replica(plant, said) as after:
        await after.once()
        assert len(receiver.got) == 1
        plant.at[0] += timedelta(seconds=10)
        await after.once()
    assert await rows(plant) == [("review", 2, "delivered")]
    assert len({got.body for got in receiver.got}) == 1
    logs = await plant.get(f"/api/posts/{post}/logs")
    lines = logs["items"] if isinstance(logs, dict) else logs
    assert [(line["level"], line["event"]) for line in lines[-2:]] == [
        ("warning", "log"),
        ("info", "log"),
    ]


async def test_a_gateway_that_died_while_sending_is_replaced(
    plant: Plant, receiver: Receiver
) -> None:
    await waiting(plant)
    await rows(plant)
    said = settings(receiver)
    receiver.answers = ["hang"]
    async with replica(plant, said) as dying:
        sending = asyncio.create_task(dying.once())
        await receiver.arrived.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert await rows(plant) == [("review", 1, "sending")]
    plant.at[0] += timedelta(seconds=60)
    async with replica(plant, said) as one, replica(plant, said) as other:
        await asyncio.gather(one.once(), other.once())
    assert [got.headers["galley-delivery"] for got in receiver.got] == [
        receiver.got[0].told["id"]
    ] * 2
    assert await rows(plant) == [("review", 2, "delivered")]


async def test_the_settings_decide_and_a_deleted_post_is_forgotten(
    plant: Plant, receiver: Receiver
) -> None:
    elsewhere = settings(receiver, events=("complete",))
    url = f"{receiver.url}/from-settings"
    answer = await plant.client.patch(
        "/api/settings", json={"webhook": {"url": url, "events": ["review"]}}
    )
    assert answer.status_code == 200, answer.text
    first = await waiting(plant)
    await rows(plant)
    async with replica(plant, elsewhere) as office:
        await office.once()
    assert [got.path for got in receiver.got] == ["/from-settings"]
    answer = await plant.client.delete(f"/api/posts/{first}")
    assert answer.status_code < 300, answer.text
    assert await rows(plant) == []


async def test_the_loop_tells_by_itself_and_ends_with_its_context(
    plant: Plant, receiver: Receiver
) -> None:
    async with plant.projecting(), telling(plant.gateway, settings(receiver)):
        post = await waiting(plant)
        await receiver.arrived.wait()
    assert receiver.got[0].told["post_id"] == str(post)


def environment(plant: Plant, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "GALLEY_NATS_URL": plant.nats.url,
        "GALLEY_NATS_USER": GATEWAY,
        "GALLEY_NATS_PASSWORD": PASSWORDS[GATEWAY],
        "GALLEY_POSTGRES_DSN": plant.dsn,
        **more,
    }


@asynccontextmanager
async def process(plant: Plant, **more: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The gateway's own process; ended with its context."""
    found = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.gateway",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(plant, **more),
    )
    try:
        yield found
    finally:
        if found.returncode is None:
            found.terminate()
        await found.wait()


async def test_the_process_tells_whom_its_environment_names(
    plant: Plant, receiver: Receiver
) -> None:
    post = await waiting(plant)
    await rows(plant)
    said = {
        "GALLEY_WEBHOOK_URL": f"{receiver.url}/hook",
        "GALLEY_WEBHOOK_SECRET": SECRET,
        "GALLEY_WEBHOOK_ALLOW_PRIVATE": "1",
    }
    async with process(plant, **said):
        await receiver.arrived.wait()
    assert receiver.got[0].told["post_id"] == str(post)


async def test_the_process_refuses_an_address_without_a_secret(plant: Plant) -> None:
    async with process(plant, GALLEY_WEBHOOK_URL="https://hooks.example.org/S3CRET") as found:
        told, _ = await found.communicate()
    assert found.returncode
    assert b"GALLEY_WEBHOOK_SECRET" in told
    assert b"S3CRET" not in told


async def test_nobody_is_told_when_nobody_is_named_and_not_later_either(
    plant: Plant, receiver: Receiver
) -> None:
    await waiting(plant)
    await rows(plant)
    async with replica(plant, Webhook()) as office:
        await office.once()
    assert await rows(plant) == [("review", 1, "skipped")]
    async with replica(plant, settings(receiver)) as office:
        await office.once()
    assert receiver.got == []
    stored = await plant.gateway.events.stored((await plant.gateway.events.state()).last)
    assert stored is not None
    assert isinstance(stored.fact, e.NoticeSkipped)
    assert json.loads(stored.data)["reason"] == "no_webhook"


@pytest.mark.parametrize("word", ["started", "ended"])
@pytest.mark.parametrize("user", [str(stage) for stage in Stage])
async def test_only_the_gateway_may_speak_of_notices(plant: Plant, user: str, word: str) -> None:
    subject = f"posts.main.{POST}.notice.17.1.{word}"
    assert producer_may(GATEWAY, subject)
    assert not producer_may(user, subject)
    assert not producer_may(GATEWAY, subject.replace(word, "late"))
    async with plant.nats.connect(user) as connection:
        await connection.nc.publish(subject, b"x")
        while connection.problem() is None:
            await connection.nc.flush()
        assert subject.lower() in connection.alarms[-1].detail.lower()
