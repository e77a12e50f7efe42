"""While the log or Postgres is away the gateway says so soon, answers what it can, and recovers."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
import psutil
import pytest

from services.gateway.provenance import foreign
from shared.domain.values import Stage
from shared.jetstream import GATEWAY
from tests.integration.jetstream.conftest import mortal  # noqa: F401
from tests.integration.jetstream.server import PASSWORDS
from tests.integration.test_gateway import plant  # noqa: F401
from tests.unit.gateway.listener import listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    import httpx

    from shared.local.postgres import Postgres
    from tests.integration.jetstream.conftest import Mortal
    from tests.integration.jetstream.server import GalleyNats
    from tests.integration.test_gateway import Plant

pytestmark = pytest.mark.integration

KEY = {"Idempotency-Key": "once"}


@pytest.fixture
def galley_nats(mortal: Mortal) -> GalleyNats:  # noqa: F811
    """A server of the test's own, to be stopped."""
    return mortal.galley


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process and its children do nothing meanwhile; their connections stay open."""
    process = psutil.Process(pid)
    all_of_it = [process, *process.children(recursive=True)]
    for each in all_of_it:
        each.suspend()
    try:
        yield
    finally:
        for each in all_of_it:
            each.resume()


@pytest.fixture
def postgres_pid(postgres: Postgres) -> int:
    assert postgres.command.pid_file is not None
    return int(json.loads(postgres.command.pid_file.read_text())["pid"])


async def until_ready(plant: Plant) -> None:  # noqa: F811
    async with asyncio.timeout(30):
        while (await plant.client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.05)


async def until_not_ready(plant: Plant) -> str:  # noqa: F811
    """What it says of NATS then."""
    async with asyncio.timeout(30):
        while (answer := await plant.client.get("/readyz")).status_code == 200:
            await asyncio.sleep(0.05)
    assert answer.headers["retry-after"] == "1"
    return str(answer.json()["checks"]["nats"])


def refused(answer: httpx.Response, code: str) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert int(answer.headers["retry-after"]) >= 1


async def weathered(plant: Plant, post: UUID) -> None:  # noqa: F811
    """What holds of a gateway whose log is away."""
    assert (await plant.get(f"/api/posts/{post}"))["current_stage"] == "outline"
    assert [each["id"] for each in (await plant.get("/api/posts"))["items"]] == [str(post)]
    answers = await asyncio.gather(
        plant.client.post("/api/posts", json={"topic": "Lost and found"}, headers=KEY),
        plant.client.post(f"/api/posts/{post}/pause"),
        plant.client.get(f"/api/events/{post}"),
    )
    for answer in answers:
        refused(answer, "log-unavailable")
    assert (await plant.client.get("/livez")).status_code == 200


async def recovered(plant: Plant, post: UUID) -> None:  # noqa: F811
    """What was refused, said again, is done once."""
    await until_ready(plant)
    again = await plant.client.post("/api/posts", json={"topic": "Lost and found"}, headers=KEY)
    assert again.status_code == 201
    async with plant.projecting():
        assert (await plant.client.post(f"/api/posts/{post}/pause")).status_code == 200
    topics = [each["topic"] for each in (await plant.get("/api/posts"))["items"]]
    assert sorted(topics) == ["A topic", "Lost and found"]


@pytest.fixture
async def projected(plant: Plant) -> UUID:  # noqa: F811
    """A post that is at its outline, in the log and in the rows."""
    async with plant.projecting():
        post = await plant.posted()
        await plant.complete(post, Stage.RESEARCH)
    return post


async def test_with_nats_stopped_reads_come_from_rows_and_writes_are_refused_in_time(
    plant: Plant,  # noqa: F811
    mortal: Mortal,  # noqa: F811
    projected: UUID,
) -> None:
    with stopped(mortal.child.pid):
        assert await until_not_ready(plant) in {"NATS does not answer", "NATS is away"}
        await weathered(plant, projected)
    await recovered(plant, projected)


async def test_with_nats_gone_reads_come_from_rows_and_it_finds_back_by_itself(
    plant: Plant,  # noqa: F811
    mortal: Mortal,  # noqa: F811
    projected: UUID,
) -> None:
    await mortal.kill()
    assert await until_not_ready(plant) == "NATS is away"
    await weathered(plant, projected)
    await mortal.start()
    await recovered(plant, projected)


async def test_with_postgres_stopped_writes_and_streams_go_on_and_the_rows_catch_up(
    plant: Plant,  # noqa: F811
    projected: UUID,
    postgres_pid: int,
) -> None:
    with stopped(postgres_pid):
        async with listening(plant.client, "/api/events") as listener:
            made = await plant.client.post("/api/posts", json={"topic": "Unseen by Postgres"})
            assert made.status_code == 201
            assert (await listener.next()).data["post_id"] == made.json()["id"]
        assert (await plant.client.post(f"/api/posts/{projected}/pause")).status_code == 200
        paused, unseen, *others = await asyncio.gather(
            plant.get(f"/api/posts/{projected}"),
            plant.get(f"/api/posts/{made.json()['id']}"),
            plant.client.get("/api/posts"),
            plant.client.get("/api/costs"),
        )
        assert (paused["paused"], unseen["topic"]) == (True, "Unseen by Postgres")
        for other in others:
            refused(other, "read-model-away")
        for probe in ("/livez", "/readyz"):
            assert (await plant.client.get(probe)).status_code == 200
    async with plant.projecting():
        pass
    assert len((await plant.get("/api/posts"))["items"]) == 2


async def test_rows_of_another_or_a_longer_log_are_told_in_words(
    plant: Plant,  # noqa: F811
    projected: UUID,
) -> None:
    events, rows = plant.gateway.events, plant.gateway.rows
    assert await foreign(events, rows) == ""
    state = await events.state()
    connection = await asyncpg.connect(plant.dsn)
    try:
        await connection.execute("update position set seq = $1", state.last + 1)
        assert "but this log ends at" in await foreign(events, rows)
        await connection.execute("update position set identity = 'another', seq = 1")
        assert "made from log another" in await foreign(events, rows)
    finally:
        await connection.close()


async def test_a_gateway_with_rows_of_another_log_does_not_start(
    plant: Plant,  # noqa: F811
    projected: UUID,
) -> None:
    connection = await asyncpg.connect(plant.dsn)
    await connection.execute("update position set identity = 'another'")
    await connection.close()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "GALLEY_NATS_URL": plant.nats.url,
            "GALLEY_NATS_USER": GATEWAY,
            "GALLEY_NATS_PASSWORD": PASSWORDS[GATEWAY],
            "GALLEY_POSTGRES_DSN": plant.dsn,
        },
    )
    said, complained = await process.communicate()
    assert process.returncode == 2
    assert b"the rows were made from log another" in complained
    assert b"give the projector an empty database" in complained
    assert b"service.ready" not in said
    assert b"Traceback" not in complained
