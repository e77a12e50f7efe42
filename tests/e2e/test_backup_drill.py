"""Back up in mid-run, lose everything, restore, go on: what was settled is not paid again.

It needs a plant of its own, twice: one is destroyed, the other made from what was saved.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import aclosing
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile

import pytest

from shared.local.layout import Layout
from shared.local.plant import Plan
from tests.e2e.conftest import ACK_WAIT, IMPATIENT, PICTURES
from tests.e2e.press import SHORT, pressing
from tests.integration.plant.galley import galley

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.press import Press, Row

DONE, UNDER_WAY, LATER = "Tulips, all done", "Tulips, under way", "Tulips, after the backup"


NOT_REACHED = "1000000"
"""What a browser has seen last of a log that was longer."""


class Saved(NamedTuple):
    """What was there when the backup began."""

    done: str
    under_way: str
    post: Row
    archive: dict[str, bytes]


async def _until_backup(press: Press, plan: Plan, file: Path) -> Saved:
    await press.simulator.tell("hold", task="write", match=UNDER_WAY)
    done = await press.hand_in(DONE, words=SHORT)
    await press.finished(done)
    under_way = await press.hand_in(UNDER_WAY, words=SHORT)
    await press.simulator.held(1)
    post = await press.gateway.post(done)
    archive = await _archive(press, done)
    told = await _galley("backup", str(file), plan)
    assert "Backed up" in told
    await press.hand_in(LATER, words=SHORT)
    return Saved(done, under_way, dict(post), archive)


async def _archive(press: Press, post: str) -> dict[str, bytes]:
    """The article with its pictures, byte for byte."""
    with ZipFile(BytesIO(await press.gateway.export(post))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def _galley(command: str, file: str, plan: Plan) -> str:
    arguments = (command, file, "--data", str(plan.data))
    ended = await asyncio.to_thread(galley, *arguments, cwd=plan.data.parent)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_was_acknowledged_before_a_backup_outlives_the_data_directory(
    tmp_path: Path,
) -> None:
    file = tmp_path / "galley.zip"
    plan = Plan(
        data=tmp_path / "plant",
        simulator=PICTURES,
        settings=IMPATIENT,
        ack_wait=ACK_WAIT,
        drain=1,
    )
    async with pressing(plan) as press:
        saved = await _until_backup(press, plan, file)
    rows = Layout(plan.data).postgres
    kept = rows.rename(tmp_path / "rows")
    shutil.rmtree(plan.data)
    plan.data.mkdir()
    kept.rename(rows)

    told = await _galley("restore", str(file), plan)
    assert "SET ASIDE" in told
    async with pressing(plan) as press:
        assert dict(await press.gateway.post(saved.done)) == saved.post
        assert await _archive(press, saved.done) == saved.archive
        await press.finished(saved.under_way)
        asked = {call["task"] for call in await press.simulator.calls(UNDER_WAY)}
        assert "write" in asked
        assert not asked & {"research", "outline"}
        assert await press.simulator.calls(DONE) == []
        topics = {each["topic"] for each in (await press.http.get("/api/posts")).json()["items"]}
        assert topics == {DONE, UNDER_WAY}
        async with aclosing(press.stream(saved.done, NOT_REACHED)) as stream:
            assert (await anext(stream)).name == "reset"
