"""A backup is the log and the pictures exactly, or it is refused and nothing comes of it."""

from __future__ import annotations

import asyncio
import json
import zipfile
from datetime import UTC, datetime
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from services.projector.migrations import migrate
from services.projector.runner import Projector
from services.projector.store import open_store
from shared.errors import ForeignLog, LogUnavailable, Misconfigured
from shared.eventlog import Append
from shared.jetstream import (
    ADMIN,
    BACKED_UP,
    ERASER,
    GATEWAY,
    PROJECTOR,
    drop,
    ensure,
    holds,
    open_erasure,
    open_log,
    open_media,
    server_config,
    snapshot,
    state_of,
)
from shared.local.backup import SEAL, Manifest, _seal, back_up, examine, put_all_back
from shared.local.layout import Layout
from shared.local.nats_server import serve_nats
from shared.local.restoring import restore
from shared.runtime.health import Pulse
from shared.testing.vocabulary import created
from tests.integration.jetstream.server import PASSWORDS, GalleyNats
from tests.integration.jetstream.stories import begin, new_post, of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared.jetstream import Connection, JetStreamLog
    from tests.integration.jetstream.conftest import Mortal

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PICTURE = bytes(range(256)) * 2000


def quiet(_stream: str, _done: int) -> None:
    """Nobody watches."""


async def messages(connection: Connection, stream: str) -> list[dict[str, Any]]:
    """Every message with all the server knows of it; gaps are left out."""
    info = json.loads((await connection.requests.one(f"$JS.API.STREAM.INFO.{stream}")).data)
    found = []
    for seq in range(1, info["state"]["last_seq"] + 1):
        asked = json.dumps({"seq": seq}).encode()
        answer = await connection.requests.one(f"$JS.API.STREAM.MSG.GET.{stream}", asked)
        told = json.loads(answer.data)
        if "message" in told:
            found.append(told["message"])
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def vacant(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GalleyNats]:
    """A server on which nothing stands yet."""
    async with serve_nats(server_config(PASSWORDS), tmp_path_factory.mktemp("vacant")) as server:
        yield GalleyNats(server.url)


@pytest.fixture
async def other(vacant: GalleyNats) -> AsyncIterator[Connection]:
    """Its admin; what a test restores there is gone afterwards."""
    async with vacant.connect(ADMIN) as connection:
        yield connection
        for stream in BACKED_UP:
            if await holds(connection, stream):
                await drop(connection, stream)


@pytest.fixture
async def file(admin: Connection, log: JetStreamLog, tmp_path: Path) -> Path:
    """A backup of one post."""
    await begin(log, new_post())
    target = tmp_path / "galley.zip"
    await back_up(admin, target, NOW, quiet)
    return target


def reseal(source: Path, target: Path, manifest: dict[str, Any]) -> Path:
    """The same backup with another manifest, sealed as if it had been written so."""
    with zipfile.ZipFile(source) as old, target.open("w+b") as made:
        with zipfile.ZipFile(made, "w") as new:
            for name in old.namelist():
                if name != "manifest.json":
                    new.writestr(name, old.read(name))
            new.writestr("manifest.json", json.dumps(manifest))
            new.comment = SEAL + b"0" * 64
        _seal(made)
    return target


def told(source: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(zipfile.ZipFile(source).read("manifest.json"))
    return manifest


async def test_what_is_restored_is_the_same_message_for_message(
    admin: Connection,
    gateway: Connection,
    other: Connection,
    galley_nats: GalleyNats,
    vacant: GalleyNats,
    log: JetStreamLog,
    tmp_path: Path,
) -> None:
    gone, kept = new_post(), new_post()
    last = await begin(log, gone)
    await begin(log, kept)
    await open_media(gateway).put("post/a", PICTURE)
    async with galley_nats.connect(ERASER) as eraser:
        assert await open_erasure(eraser).erase(gone, last + 1)
    written = {stream: await messages(admin, stream) for stream in BACKED_UP}
    target = tmp_path / "galley.zip"

    await back_up(admin, target, NOW, quiet)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["galley.zip"]
    await put_all_back(other, target, examine(target), quiet)

    assert {stream: await messages(other, stream) for stream in BACKED_UP} == written
    await ensure(other)
    assert (await state_of(other)).last == (await state_of(admin)).last
    assert (await state_of(other)).identity != (await state_of(admin)).identity
    async with vacant.connect(GATEWAY) as reading:
        assert await open_log(reading, GATEWAY).read(kept) == await log.read(kept)
        assert await open_media(reading).get("post/a") == PICTURE


async def test_a_log_goes_on_where_its_backup_ends(
    file: Path, other: Connection, vacant: GalleyNats
) -> None:
    manifest = examine(file)
    await put_all_back(other, file, manifest, quiet)
    await ensure(other)
    async with vacant.connect(GATEWAY) as writing:
        ref = new_post()
        after = await open_log(writing, GATEWAY).append(
            Append(ref=ref, facts=[of(ref, created())], after=0)
        )
    assert after[0] == manifest.log.extent.last + 1


async def test_a_snapshot_under_writers_never_ends_within_a_batch(
    admin: Connection, gateway: Connection
) -> None:
    before, stopping, ends = (await state_of(admin)).last, asyncio.Event(), set[int]()
    writing = asyncio.create_task(_write(gateway, stopping))
    for _ in range(15):
        async with snapshot(admin, "GALLEY") as taken:
            ends.add(taken.extent.last - before)
    stopping.set()
    await writing
    assert len(ends) > 1
    assert {end % BATCH for end in ends} == {0}


BATCH = 150


async def _write(connection: Connection, stopping: asyncio.Event) -> None:
    number = 0
    while not stopping.is_set():
        number += 1
        for place in range(1, BATCH):
            headers = {"Nats-Batch-Id": f"b{number}", "Nats-Batch-Sequence": str(place)}
            await connection.requests.tell(f"docs.main.test.{number}-{place}", b"x", headers)
        last = {"Nats-Batch-Id": f"b{number}", "Nats-Batch-Sequence": str(BATCH)}
        committing = {**last, "Nats-Batch-Commit": "1"}
        await connection.requests.one(f"docs.main.test.{number}", b"x", committing, 20)


async def test_a_file_that_is_not_exactly_what_was_written_is_refused(
    file: Path, tmp_path: Path
) -> None:
    whole = file.read_bytes()
    bad = tmp_path / "bad.zip"
    assert examine(file).taken_at == NOW
    for place in range(0, len(whole), 97):
        flipped = bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]])
        for broken in (flipped, whole[:place]):
            bad.write_bytes(broken)
            with pytest.raises(Misconfigured, match=r"backup|damaged"):
                examine(bad)


async def test_a_foreign_or_newer_file_is_refused_with_the_reason(
    file: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("manifest.json", json.dumps(told(file)))
    with pytest.raises(Misconfigured, match="no backup of Galley"):
        examine(foreign)
    with pytest.raises(Misconfigured, match="No such file"):
        examine(tmp_path / "nowhere.zip")
    newer = {"format": "galley-backup", "version": 2, "what": "nobody knows yet"}
    with pytest.raises(Misconfigured, match="newer Galley"):
        examine(reseal(file, tmp_path / "newer.zip", newer))
    half = told(file)
    half["parts"] = half["parts"][:1]
    with pytest.raises(Misconfigured, match="whole log"):
        examine(reseal(file, tmp_path / "half.zip", half))


async def test_nothing_is_written_over(
    file: Path, admin: Connection, other: Connection, tmp_path: Path
) -> None:
    before = file.read_bytes()
    with pytest.raises(Misconfigured, match="replaces nothing"):
        await back_up(admin, file, NOW, quiet)
    assert file.read_bytes() == before
    state = await state_of(admin)
    with pytest.raises(Misconfigured, match="already"):
        await put_all_back(admin, file, examine(file), quiet)
    assert await state_of(admin) == state


async def test_a_restore_that_fails_is_taken_back(
    file: Path, other: Connection, tmp_path: Path
) -> None:
    wrong = told(file)
    wrong["parts"][1]["extent"][1] += 1
    lying = reseal(file, tmp_path / "lying.zip", wrong)
    with pytest.raises(LogUnavailable, match="something else"):
        await put_all_back(other, lying, examine(lying), quiet)
    assert [await holds(other, stream) for stream in BACKED_UP] == [False, False]


async def test_a_server_lost_in_the_middle_leaves_no_file(mortal: Mortal, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    async with mortal.galley.connect(ADMIN) as connection, mortal.galley.connect(GATEWAY) as writer:
        await begin(open_log(writer, GATEWAY), new_post())
        await open_media(writer).put("post/a", PICTURE * 20)
        with pytest.raises(LogUnavailable, match="lost"):
            await back_up(connection, folder / "galley.zip", NOW, lambda *_: mortal.child.kill())
    assert list(folder.iterdir()) == []


async def test_a_data_directory_is_made_whole_or_left_as_it_was(file: Path, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    layout.postgres.mkdir(parents=True)
    (layout.postgres / "rows").write_text("of another log")
    manifest = examine(file)
    lying = manifest.model_copy(update={"parts": (*manifest.parts[:1], _other(manifest))})
    with pytest.raises(LogUnavailable):
        await restore(file, lying, layout, NOW, quiet)
    assert not layout.nats.exists()
    assert layout.postgres.exists()

    aside = await restore(file, manifest, layout, NOW, quiet)
    assert [each.name for each in aside] == ["postgres.before-20261123T120000Z"]
    assert (aside[0] / "rows").read_text() == "of another log"
    assert not layout.postgres.exists()
    before = sorted(layout.nats.rglob("*"))
    with pytest.raises(Misconfigured, match="holds a log already"):
        await restore(file, manifest, layout, NOW, quiet)
    assert sorted(layout.nats.rglob("*")) == before


def _other(manifest: Manifest) -> Any:
    part = manifest.parts[1]
    return part.model_copy(update={"sha256": "another"})


async def test_a_projector_that_has_read_further_refuses_a_restored_log_also_when_it_has_grown(
    file: Path,
    admin: Connection,
    log: JetStreamLog,
    other: Connection,
    vacant: GalleyNats,
    fresh_database: str,
) -> None:
    await migrate(fresh_database)
    await begin(log, new_post())
    read = (await state_of(admin)).last
    projector = _projector(admin, fresh_database)
    projecting = asyncio.create_task(projector.run())
    async with asyncio.timeout(20):
        while projector.position < read:
            await asyncio.sleep(0.02)
    projector.stop()
    await projecting

    await put_all_back(other, file, examine(file), quiet)
    await ensure(other)
    for grown in (False, True):
        if grown:
            async with vacant.connect(GATEWAY) as writing:
                await begin(open_log(writing, GATEWAY), new_post())
                await begin(open_log(writing, GATEWAY), new_post())
        assert ((await state_of(other)).last > read) is grown
        with pytest.raises(ForeignLog, match=r"made from log .* an empty database"):
            await asyncio.wait_for(_projector(other, fresh_database).run(), 20)


def _projector(connection: Connection, dsn: str) -> Projector:
    return Projector(open_log(connection, PROJECTOR), partial(open_store, dsn), Pulse(monotonic))
