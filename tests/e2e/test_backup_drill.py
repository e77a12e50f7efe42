"""Back up in mid-run, restore elsewhere, go on there: what was settled is not paid again.

The plant that all tests share is backed up while it works; another is made from what was saved,
with nothing of the first but the file.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile

import pytest

from shared.errors import NotFound
from shared.local.plant import Plan
from tests.e2e.conftest import ACK_WAIT, IMPATIENT, PICTURES
from tests.e2e.press import SHORT, pressing
from tests.integration.plant.galley import galley

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.press import Press, Row

DONE, UNDER_WAY, LATER = "Tulips, all done", "Tulips, under way", "Tulips, after the backup"
EVENTS = "events.jsonl"
NOT_REACHED = "1000000"
"""What a browser has seen last of a log that was longer."""


class Saved(NamedTuple):
    """What was there when the backup began."""

    done: str
    under_way: str
    post: Row
    archive: dict[str, bytes]
    later: str


async def _until_backup(press: Press, file: Path) -> Saved:
    await press.simulator.tell("hold", task="write", match=UNDER_WAY)
    done = await press.hand_in(DONE, words=SHORT)
    await press.finished(done)
    under_way = await press.hand_in(UNDER_WAY, words=SHORT)
    await press.simulator.held(1)
    post = await press.gateway.post(done)
    archive = await _archive(press, done)
    assert "Backed up" in await _galley("backup", file, press.plant.plan.data)
    later = await press.hand_in(LATER, words=SHORT)
    await press.simulator.tell("release")
    for each in (under_way, later):
        await press.finished(each)
    return Saved(done, under_way, dict(post), archive, later)


async def _archive(press: Press, post: str) -> dict[str, bytes]:
    """The article with its pictures, byte for byte."""
    with ZipFile(BytesIO(await press.gateway.export(post))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def _galley(command: str, file: Path, data: Path) -> str:
    arguments = (command, str(file), "--data", str(data))
    ended = await asyncio.to_thread(galley, *arguments, cwd=file.parent)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_was_acknowledged_before_a_backup_outlives_the_data_directory(
    press: Press, tmp_path: Path
) -> None:
    file = tmp_path / "galley.zip"
    saved = await _until_backup(press, file)
    plan = Plan(
        data=tmp_path / "plant", simulator=PICTURES, settings=IMPATIENT, ack_wait=ACK_WAIT, drain=1
    )
    assert "Restored" in await _galley("restore", file, plan.data)
    async with pressing(plan) as restored:
        assert dict(await restored.gateway.post(saved.done)) == saved.post
        archive = await _archive(restored, saved.done)
        assert archive.pop(EVENTS).startswith(saved.archive.pop(EVENTS))
        assert archive == saved.archive
        await restored.finished(saved.under_way)
        asked = {call["task"] for call in await restored.simulator.calls(UNDER_WAY)}
        assert "write" in asked
        assert not asked & {"research", "outline"}
        assert await restored.simulator.calls(DONE) == []
        with pytest.raises(NotFound):
            await restored.gateway.post(saved.later)
        async with aclosing(restored.stream(saved.done, NOT_REACHED)) as stream:
            assert (await anext(stream)).name == "reset"
